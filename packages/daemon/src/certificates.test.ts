import { createPublicKey, X509Certificate } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, expect, test } from "vitest";
import {
  type Enrolment,
  enrol,
  keepCertificate,
  loadOrMakeKey,
  makeCsr,
  napMs,
  renewalTime,
  retryMs,
} from "./certificates.ts";
import { type Leaf, makeCa, Pkcs10CertificateRequest } from "./testing/ca.ts";
import { type Asked, type Reply, startListener } from "./testing/enrolment-listener.ts";
import { keyFingerprint, type TlsIdentity } from "./tls.ts";

const HOUR_MS = 3_600_000;
const ca = await makeCa();
const shown = await ca.issue({ role: "runner" });
const log = pino({ enabled: false });
const root = mkdtempSync(join(tmpdir(), "certificates-"));
afterAll(() => rmSync(root, { recursive: true }));

const denied: Reply = {
  status: 403,
  body: { type: "about:blank", title: "denied", status: 403, detail: "No.", code: "denied", retry: "never" },
};

/** What the listener gives for a request: a certificate for the request's own key. */
async function grant(csr: string, leaf: Leaf = {}): Promise<Reply> {
  const publicKey = Buffer.from(new Pkcs10CertificateRequest(csr).publicKey.rawData);
  const { key: _, ...body } = await ca.issue({ role: "delegate", name: "local", ...leaf, publicKey });
  return { status: 200, body };
}

/** A listener and what a process named `local` enrols with, in a folder of its own. */
async function open(answer: (asked: Asked) => Promise<Reply> = async ({ body }) => grant(body["csr"] ?? "")) {
  const opened = new AsyncDisposableStack();
  const listener = opened.use(
    await startListener({ key: shown.key, chain: shown.certificate + ca.certificate }, answer),
  );
  const folder = mkdtempSync(join(root, "process-"));
  const enrolment: Enrolment = {
    enrolUrl: listener.url,
    caFingerprint: ca.fingerprint,
    token: "join-token",
    name: "local",
    role: "delegate",
    keyFile: join(folder, "keys", "key.pem"),
    certificateFile: join(folder, "certificate.json"),
    signal: new AbortController().signal,
  };
  return { listener, enrolment, opened, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

/** Puts a certificate where a process keeps the one it has. */
async function store(enrolment: Enrolment, leaf: Leaf): Promise<TlsIdentity> {
  const key = loadOrMakeKey(enrolment.keyFile);
  const { key: own, ...answer } = await ca.issue({ role: "delegate", name: "local", key, ...leaf });
  writeFileSync(enrolment.certificateFile, JSON.stringify(answer));
  return { key: own, ...answer };
}
const longAgo = () => ({ from: Date.now() - 9 * HOUR_MS, to: Date.now() - HOUR_MS });

test("a process makes its key once, for its owner's eyes only, and shows it to nobody", async () => {
  await using house = await open();
  const first = await enrol(house.enrolment);
  expect(statSync(house.enrolment.keyFile).mode & 0o777).toBe(0o600);
  expect(statSync(house.enrolment.certificateFile).mode & 0o777).toBe(0o600);
  const key = readFileSync(house.enrolment.keyFile, "utf8");
  rmSync(house.enrolment.certificateFile);
  const second = await enrol(house.enrolment);
  expect(readFileSync(house.enrolment.keyFile, "utf8")).toBe(key);
  expect([first.key, second.key]).toEqual([key, key]);
  expect(keyFingerprint(second.certificate)).toBe(keyFingerprint(key));
  expect(house.listener.asked).toHaveLength(2);
  expect(JSON.stringify(house.listener.asked)).not.toContain("PRIVATE");
});

test("a key that cannot be read is not replaced by another", async () => {
  await using house = await open();
  writeFileSync(join(root, "damaged.pem"), "damaged");
  await expect(enrol({ ...house.enrolment, keyFile: join(root, "damaged.pem") })).rejects.toThrow(/PEM|DECODER/);
  expect(() => loadOrMakeKey(root)).toThrow("EISDIR");
  expect(readFileSync(join(root, "damaged.pem"), "utf8")).toBe("damaged");
  expect(house.listener.asked).toEqual([]);
});

test("the request is for the process's own key and name, signed by that key", async () => {
  const key = loadOrMakeKey(join(root, "csr.pem"));
  const request = new Pkcs10CertificateRequest(makeCsr(key, "local"));
  expect(await request.verify()).toBe(true);
  expect(request.subject).toBe("CN=local");
  const spki = createPublicKey(key).export({ type: "spki", format: "der" });
  expect(Buffer.from(request.publicKey.rawData).equals(spki)).toBe(true);
});

test("a process that has a valid certificate asks nobody, and spends no token", async () => {
  await using house = await open();
  const present = await store(house.enrolment, {});
  expect(await enrol(house.enrolment)).toEqual(present);
  expect(house.listener.asked).toEqual([]);
});

test.each<[string, Leaf]>([
  ["another name", { name: "other" }],
  ["another role", { role: "gateway" }],
  ["another key", { key: (await ca.issue()).key }],
])("a stored certificate of %s is none: the process enrols", async (_what, leaf) => {
  await using house = await open();
  await store(house.enrolment, leaf);
  const identity = await enrol(house.enrolment);
  expect(house.listener.asked.map(({ path }) => path)).toEqual(["/enrol"]);
  expect(keyFingerprint(identity.certificate)).toBe(keyFingerprint(readFileSync(house.enrolment.keyFile, "utf8")));
});

test("an expired certificate is renewed with its key, and the token stays unused", async () => {
  await using house = await open();
  const expired = await store(house.enrolment, longAgo());
  const renewed = await enrol(house.enrolment);
  expect(house.listener.asked).toEqual([
    { path: "/renew", body: { csr: expect.any(String) as string, certificate: expired.certificate } },
  ]);
  expect(renewed.key).toBe(expired.key);
  expect(renewalTime(renewed.certificate)).toBeGreaterThan(Date.now());
  expect(await enrol(house.enrolment)).toEqual(renewed);
  expect(house.listener.asked).toHaveLength(1);
});

test("an expired certificate that is not renewed any more leaves the token", async () => {
  await using house = await open(async ({ path, body }) => (path === "/renew" ? denied : grant(body["csr"] ?? "")));
  await store(house.enrolment, longAgo());
  await enrol(house.enrolment);
  expect(house.listener.asked.map(({ path, body }) => [path, body["token"]])).toEqual([
    ["/renew", undefined],
    ["/enrol", "join-token"],
  ]);
});

test("a token that is refused is told as the listener says it, and nothing is stored", async () => {
  await using house = await open(async () => denied);
  await expect(enrol(house.enrolment)).rejects.toMatchObject({ failure: { code: "denied", message: "No." } });
  expect(existsSync(house.enrolment.certificateFile)).toBe(false);
});

test("a certificate is due at two thirds of its life", async () => {
  const from = Date.parse("2026-01-01T00:00:00Z");
  const { certificate } = await ca.issue({ from, to: from + 9 * HOUR_MS });
  expect(renewalTime(certificate)).toBe(from + 6 * HOUR_MS);
});

test("a renewal that failed is tried again after a twentieth of the life, between a second and a minute", async () => {
  const from = Date.now();
  const lives = [7 * 24 * HOUR_MS, 200_000, 3_000].map(
    async (life) => (await ca.issue({ from, to: from + life })).certificate,
  );
  expect((await Promise.all(lives)).map(retryMs)).toEqual([60_000, 10_000, 1_000]);
});

test("a renewal believes the authorities that the last answer named; the pin is for the first time", async () => {
  const other = await makeCa();
  await using house = await open();
  const replaced = { ...house.enrolment, caFingerprint: other.fingerprint };
  await store(replaced, longAgo());
  expect((await enrol({ ...replaced, token: "" })).ca).toBe(ca.certificate);

  const { key: _, ...answer } = await store(house.enrolment, longAgo());
  writeFileSync(house.enrolment.certificateFile, JSON.stringify({ ...answer, ca: other.certificate }));
  await expect(enrol({ ...house.enrolment, token: "" })).rejects.toMatchObject({ failure: { code: "denied" } });
  expect(house.listener.asked.map(({ path }) => path)).toEqual(["/renew"]);
  // What was enrolled in an installation that is no more is left behind by who has a token and the right pin.
  await enrol(house.enrolment);
  expect(house.listener.asked.map(({ path }) => path)).toEqual(["/renew", "/enrol"]);
});

test("the clock is looked at once a minute at least, since a suspended VM's timers stand still", () => {
  expect([napMs(5_000, 0), napMs(90 * HOUR_MS, 0), napMs(0, 5_000)]).toEqual([5_000, 60_000, 0]);
});

/** Resolves with what is handed on first; what came later is in `all`. */
function taking() {
  const all: TlsIdentity[] = [];
  const { promise, resolve } = Promise.withResolvers<TlsIdentity>();
  const take = (identity: TlsIdentity): void => {
    all.push(identity);
    resolve(identity);
  };
  return { all, first: promise, take };
}

test("a certificate at two thirds of its life is renewed by itself, kept, and handed on; not before", async () => {
  await using house = await open();
  // Half an hour of life in all, of which twenty minutes are over in a second.
  const from = Date.now() - HOUR_MS / 3 + 1_500;
  const identity = await store(house.enrolment, { from, to: from + HOUR_MS / 2 });
  const { all, first, take } = taking();
  const { token: _, ...enrolment } = house.enrolment;
  const begun = performance.now();
  house.opened.use(keepCertificate({ ...enrolment, identity, onRenewed: take, log }));
  const renewed = await first;
  expect(performance.now() - begun).toBeGreaterThan(400);
  expect(house.listener.asked.map(({ path, body }) => [path, body["certificate"]])).toEqual([
    ["/renew", identity.certificate],
  ]);
  expect(renewed.key).toBe(identity.key);
  expect(Date.parse(new X509Certificate(renewed.certificate).validTo)).toBeGreaterThan(Date.now() + HOUR_MS);
  expect(await enrol(house.enrolment)).toEqual(renewed);
  expect(all).toHaveLength(1);
});

test("a certificate that comes already due is handed on, and the listener is left in peace for a while", async () => {
  await using house = await open(async ({ body }) => grant(body["csr"] ?? "", longAgo()));
  const identity = await store(house.enrolment, longAgo());
  const { all, first, take } = taking();
  house.opened.use(keepCertificate({ ...house.enrolment, identity, onRenewed: take, log }));
  await first;
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect([all.length, house.listener.asked.length]).toEqual([1, 1]);
});

test("who was away past the end of its certificate joins again by its token, if it kept one", async () => {
  await using house = await open(async ({ path, body }) => (path === "/renew" ? denied : grant(body["csr"] ?? "")));
  const identity = await store(house.enrolment, longAgo());
  const { first, take } = taking();
  house.opened.use(keepCertificate({ ...house.enrolment, identity, onRenewed: take, log }));
  const joined = await first;
  expect(house.listener.asked.map(({ path }) => path)).toEqual(["/renew", "/enrol"]);
  expect(joined.key).toBe(identity.key);
});

test("a renewal that is refused while the certificate lives uses no token, and what was stored stays", async () => {
  await using house = await open(async () => denied);
  const identity = await store(house.enrolment, { from: Date.now() - 9 * HOUR_MS, to: Date.now() + HOUR_MS });
  const before = readFileSync(house.enrolment.certificateFile, "utf8");
  const { all, take } = taking();
  const keeping = keepCertificate({ ...house.enrolment, identity, onRenewed: take, log });
  await expect.poll(() => house.listener.asked.length).toBe(1);
  await keeping[Symbol.asyncDispose]();
  expect([house.listener.asked[0]?.path, all]).toEqual(["/renew", []]);
  expect(readFileSync(house.enrolment.certificateFile, "utf8")).toBe(before);
});

test("keeping ends at once when it is disposed or its signal aborts, in the middle of a request too", async () => {
  await using house = await open(() => new Promise<Reply>(() => undefined));
  const identity = await store(house.enrolment, longAgo());
  const stop = new AbortController();
  const { all, take } = taking();
  const enrolment = { ...house.enrolment, signal: stop.signal, identity, onRenewed: take, log };
  const [first, second] = [keepCertificate(enrolment), keepCertificate(enrolment)];
  await expect.poll(() => house.listener.asked.length).toBe(2);
  await first[Symbol.asyncDispose]();
  stop.abort();
  await second[Symbol.asyncDispose]();
  expect(all).toEqual([]);
});
