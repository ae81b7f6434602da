import { createHash, generateKeyPairSync, webcrypto, X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EnrolAnswer } from "@gitspaces/contracts";
import { createLog } from "@gitspaces/daemon";
import { enrol, keyFingerprint, makeCsr } from "@gitspaces/daemon/certificates";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Ca, openCa, readCsr } from "./ca.ts";
import { caMembers } from "./ca/members.ts";
import { startEnrolment } from "./enrolment.ts";
import { enrolmentTokens } from "./enrolment-tokens.ts";
import { openOwnIdentity } from "./own-identity.ts";
import { startRedis } from "./testing/redis-server.ts";
import { redisMemory } from "./redis-memory.ts";
import { vmStore } from "./vm-store.ts";

const DAY_MS = 24 * 60 * 60 * 1_000;
const ID = "default-a";
const pool = { name: "default", type: "process", warm: 1, max: 9, image: "default", isDefault: true } as const;

async function openListener() {
  await using opened = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "gs-enrol-"));
  opened.defer(() => rmSync(folder, { recursive: true, force: true }));
  const server = opened.use(await startRedis());
  const redis = server.connect();
  await redisMemory(redis).vouchAfter(async () => true);
  const clock = { at: Date.now(), now: () => clock.at };
  const log = createLog("runner", "silent");
  const ca = await openCa(join(folder, "ca"), "local-test", clock.now());
  const own = opened.use(await openOwnIdentity({ ca, installation: "local-test", clock, log }));
  const store = vmStore(redis, log);
  const tokens = enrolmentTokens(redis);
  const keysFile = join(folder, "keys.json");
  const keys = (kid: string) =>
    writeFileSync(keysFile, JSON.stringify({ keys: [{ kty: "OKP", crv: "Ed25519", x: "AA", kid }] }));
  keys("one");
  const reported = { address: "127.0.0.1" as string | null };
  const listener = opened.use(
    await startEnrolment(
      { host: "127.0.0.1", port: 0 },
      {
        ca,
        identity: own.current,
        installation: "local-test",
        members: caMembers(redis, store, "local-test"),
        tokens,
        store,
        clock,
        log,
        controlPlaneKeysFile: keysFile,
        onEnrolled: () => {},
        joinTokens: { delegate: () => "d".repeat(48), gateway: () => "g".repeat(48) },
        provider: {
          get: async (id) => ({
            id,
            power: "running",
            labels: {},
            version: "1",
            address: reported.address,
            port: 1,
            createdAt: 0,
            disks: [],
          }),
        },
      },
    ),
  );
  await store.addStock(ID, pool, 0);
  await store.running(ID, { address: "127.0.0.1", port: 1, version: "1" });
  const url = `https://127.0.0.1:${listener.address.port}`;
  const close = opened.move();
  return {
    ca,
    store,
    tokens,
    redis,
    clock,
    folder,
    url,
    keys,
    keysFile,
    reported,
    [Symbol.asyncDispose]: async () => await close.disposeAsync(),
  };
}

let open: Awaited<ReturnType<typeof openListener>>;
beforeEach(async () => void (open = await openListener()));
afterEach(async () => await open[Symbol.asyncDispose]());

const newKey = (namedCurve = "P-256") =>
  generateKeyPairSync("ec", { namedCurve }).privateKey.export({ type: "pkcs8", format: "pem" }).toString();

async function post(path: string, body: unknown): Promise<{ status: number; body: Record<string, unknown> }> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return await new Promise((resolve, reject) => {
    const sending = request(`${open.url}${path}`, {
      method: "POST",
      agent: false,
      ca: open.ca.certificate,
      checkServerIdentity: () => undefined,
      headers: { "content-type": "application/json" },
    });
    sending.once("error", reject);
    sending.once("response", (response) => {
      let answer = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (answer += chunk));
      response.once("end", () =>
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(answer) as Record<string, unknown> }),
      );
    });
    sending.end(text);
  });
}
const enrolWith = async (token: string, key = newKey(), name = "anything") =>
  await post("/enrol", { token, csr: makeCsr(key, name) });

test("an agent enrols as the instance of its token, whatever name its request has, for seven days", async () => {
  const key = newKey();
  const { status, body } = await enrolWith(await open.tokens.make(ID), key, "default-z");
  expect(status).toBe(200);
  const { certificate, ca, installation, controlPlaneKeys } = EnrolAnswer.parse(body);
  const read = new X509Certificate(certificate);
  expect(read.subjectAltName).toBe(`URI:gs://local-test/vm/${ID}`);
  expect(read.keyUsage?.toSorted()).toEqual(["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
  expect(read.verify(new X509Certificate(ca).publicKey)).toBe(true);
  expect(read.ca).toBe(false);
  expect(Date.parse(read.validTo) - open.clock.at).toBeLessThanOrEqual(7 * DAY_MS);
  expect({ installation, kid: controlPlaneKeys.keys[0]?.["kid"] }).toEqual({ installation: "local-test", kid: "one" });
  expect((await open.store.get(ID))?.reach?.keyFingerprint).toBe(keyFingerprint(key));
});

test("of 50 keys that use one token at once exactly one gets a certificate", async () => {
  const token = await open.tokens.make(ID);
  const answers = await Promise.all(Array.from({ length: 50 }, async () => await enrolWith(token)));
  expect(answers.filter(({ status }) => status === 200).length).toBe(1);
  expect(answers.filter(({ body }) => body["code"] === "denied").length).toBe(49);
});

test("I6: a runner that ends over an enrolment, before or after the token was spent, leaves it to this key and no other", async () => {
  const token = await open.tokens.make(ID);
  const key = newKey();
  // Where the first attempt ended: recorded, not answered.
  await open.store.enrolled(ID, (await readCsr(makeCsr(key))).keyFingerprint);
  expect((await enrolWith(token)).body).toMatchObject({ code: "denied" });
  expect((await enrolWith(token, key)).status).toBe(200);
  // Where the second ended: spent, and the answer lost.
  expect((await enrolWith(token, key)).status).toBe(200);
  expect((await enrolWith(token)).body).toMatchObject({ code: "denied" });
});

test("a token is spent by one of 50 keys, even for an instance that is not on record yet", async () => {
  const token = await open.tokens.make(ID);
  const spent = await Promise.all(
    Array.from({ length: 50 }, async (_, key) => await open.tokens.spend(token, `key${key}`)),
  );
  expect(spent.filter((instance) => instance === ID)).toHaveLength(1);
  const winner = spent.indexOf(ID);
  expect(await open.tokens.spend(token, `key${winner}`)).toBe(ID);
});

test("a token is kept as a digest only, for ten minutes", async () => {
  const token = await open.tokens.make(ID);
  const [key = ""] = await open.redis.keys("gs:enrolment:*");
  expect(key).toBe(`gs:enrolment:${createHash("sha256").update(token).digest("hex")}`);
  const leftMs = await open.redis.pttl(key);
  expect(leftMs).toBeGreaterThan(590_000);
  expect(leftMs).toBeLessThanOrEqual(600_000);
});

test("a token from another address is refused and not spent", async () => {
  const token = await open.tokens.make(ID);
  open.reported.address = "10.74.0.9";
  expect((await enrolWith(token)).body).toMatchObject({ code: "denied", field: "token" });
  open.reported.address = "127.0.0.1";
  expect((await enrolWith(token)).status).toBe(200);
});

test("an agent that asks before its address is known is told to ask again", async () => {
  const token = await open.tokens.make(ID);
  open.reported.address = null;
  expect((await enrolWith(token)).body).toMatchObject({ code: "conflict", retry: "later" });
  open.reported.address = "127.0.0.1";
  expect((await enrolWith(token)).status).toBe(200);
});

test("without the control plane's keys nothing is answered and no token spent; changed keys are answered at once", async () => {
  const token = await open.tokens.make(ID);
  rmSync(open.keysFile);
  expect((await enrolWith(token)).body).toMatchObject({ code: "conflict", retry: "later" });
  open.keys("two");
  expect((await enrolWith(token)).body).toMatchObject({ controlPlaneKeys: { keys: [{ kid: "two" }] } });
});

test("an instance that is not on record, or has another key, gets nothing", async () => {
  expect((await enrolWith(await open.tokens.make("default-unknown"))).body).toMatchObject({ code: "denied" });
  expect((await enrolWith(await open.tokens.make(ID))).status).toBe(200);
  expect((await enrolWith(await open.tokens.make(ID))).body).toMatchObject({ code: "denied" });
});

test.each([
  ["delegate", "d"],
  ["gateway", "g"],
])("a %s joins again and again under the name it asks for", async (role, letter) => {
  for (const name of ["east-1", "east-2"]) {
    const { body } = await enrolWith(letter.repeat(48), newKey(), name);
    expect(new X509Certificate(EnrolAnswer.parse(body).certificate).subjectAltName).toBe(
      `URI:gs://local-test/${role}/${name}`,
    );
  }
});

test.each(["East", "a/vm/b", "a b", ""])("a joining process cannot be called %j", async (name) => {
  expect((await enrolWith("d".repeat(48), newKey(), name)).status).toBe(400);
});

test.each([
  ["no JSON", "{", "body"],
  ["no request", { token: "x" }, "csr"],
  ["a request that is none", { token: "x", csr: "hello" }, "csr"],
  ["an unknown token", { token: "x".repeat(48), csr: "valid" }, "token"],
])("%s is refused with a reason", async (_case, body, word) => {
  const csr = makeCsr(newKey());
  const sent = typeof body === "object" && "csr" in body && body.csr === "valid" ? { ...body, csr } : body;
  const { status, body: problem } = await post("/enrol", sent);
  expect([400, 403]).toContain(status);
  expect(JSON.stringify(problem)).toContain(word);
});

test("a request with a changed bit is refused", async () => {
  const csr = makeCsr(newKey());
  const der = Buffer.from(csr.replaceAll(/-----[^-]+-----|\s/g, ""), "base64");
  der[der.length - 3] = (der.at(-3) ?? 0) ^ 1;
  const changed = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString("base64")}\n-----END CERTIFICATE REQUEST-----\n`;
  expect((await post("/enrol", { token: "d".repeat(48), csr: changed })).body).toMatchObject({
    code: "bad_request",
    field: "csr",
  });
});

test("a key of another curve is refused", async () => {
  const { Pkcs10CertificateRequestGenerator } = await import("@peculiar/x509");
  const algorithm = { name: "ECDSA", namedCurve: "P-384" };
  const keys = await webcrypto.subtle.generateKey(algorithm, false, ["sign", "verify"]);
  const csr = await Pkcs10CertificateRequestGenerator.create(
    { name: "CN=a", keys, signingAlgorithm: { name: "ECDSA", hash: "SHA-384" } },
    webcrypto,
  );
  expect((await post("/enrol", { token: "d".repeat(48), csr: csr.toString("pem") })).body).toMatchObject({
    code: "bad_request",
    field: "csr",
  });
});

test("a recorded instance renews with its key, even long after its certificate ended; another key never does", async () => {
  const key = newKey();
  const { certificate } = EnrolAnswer.parse((await enrolWith(await open.tokens.make(ID), key)).body);
  open.clock.at += 30 * DAY_MS;
  const renewed = EnrolAnswer.parse((await post("/renew", { csr: makeCsr(key), certificate })).body);
  expect(Date.parse(new X509Certificate(renewed.certificate).validTo)).toBeGreaterThan(open.clock.at);
  expect((await post("/renew", { csr: makeCsr(newKey()), certificate })).body).toMatchObject({
    code: "denied",
    field: "csr",
  });
  await open.store.forget(ID, "default", null);
  expect((await post("/renew", { csr: makeCsr(key), certificate })).body).toMatchObject({ code: "denied" });
});

test("a delegate renews in time, not after", async () => {
  const key = newKey();
  const { certificate } = EnrolAnswer.parse((await enrolWith("d".repeat(48), key, "east")).body);
  open.clock.at += 5 * DAY_MS;
  expect((await post("/renew", { csr: makeCsr(key), certificate })).status).toBe(200);
  open.clock.at += 3 * DAY_MS;
  expect((await post("/renew", { csr: makeCsr(key), certificate })).body).toMatchObject({
    code: "denied",
    field: "certificate",
  });
});

test("another CA's certificate renews nothing, even under our installation's name", async () => {
  const other: Ca = await openCa(join(open.folder, "other"), "local-test", open.clock.at);
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const imported = await webcrypto.subtle.importKey(
    "jwk",
    publicKey.export({ format: "jwk" }) as webcrypto.JsonWebKey,
    { name: "ECDSA", namedCurve: "P-256" },
    true,
    ["verify"],
  );
  const certificate = await other.issue(imported, "gateway", "east", open.clock.at);
  const csr = makeCsr(privateKey.export({ type: "pkcs8", format: "pem" }).toString());
  expect((await post("/renew", { csr, certificate })).body).toMatchObject({ code: "denied", field: "certificate" });
});

test("the daemons' own enrolment accepts what is answered, and refuses another CA's listener", async () => {
  const files = { keyFile: join(open.folder, "key"), certificateFile: join(open.folder, "certificate") };
  const joining = {
    enrolUrl: open.url,
    token: "d".repeat(48),
    name: "east",
    role: "delegate" as const,
    signal: AbortSignal.timeout(5_000),
    ...files,
  };
  await expect(enrol({ ...joining, caFingerprint: "0".repeat(64) })).rejects.toMatchObject({
    failure: { code: "denied" },
  });
  await expect(enrol({ ...joining, caFingerprint: open.ca.fingerprint })).resolves.toMatchObject({
    installation: "local-test",
  });
});

test("only enrolment and renewal are here", async () => {
  expect(await post("/other", {})).toMatchObject({ status: 404, body: { code: "not_found" } });
});
