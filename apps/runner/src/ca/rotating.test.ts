import { spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createLog } from "@gitspaces/daemon";
import { enrol, type Enrolment, keyFingerprint } from "@gitspaces/daemon/certificates";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Ca, openCa } from "../ca.ts";
import { startEnrolment } from "../enrolment.ts";
import { enrolmentTokens } from "../enrolment-tokens.ts";
import { caPoints } from "../failpoints.ts";
import { openOwnIdentity } from "../own-identity.ts";
import { redisMemory } from "../redis-memory.ts";
import { startRedis } from "../testing/redis-server.ts";
import { vmStore } from "../vm-store.ts";
import { caMembers } from "./members.ts";
import { type Progress, PROGRESS, REQUEST, startRotating } from "./rotating.ts";

const HOUR_MS = 60 * 60 * 1_000;
/** The looks of so short a life are a quarter of a second apart; its clock is moved by hand. */
const LIFE_MS = 10_000;
const ID = "default-a";
const pool = { name: "default", type: "process", warm: 1, max: 9, image: "default", isDefault: true } as const;
const log = createLog("runner", "silent");

let opened: AsyncDisposableStack;
let root: string;
beforeEach(() => {
  opened = new AsyncDisposableStack();
  root = mkdtempSync(join(tmpdir(), "gs-rotation-"));
  opened.defer(() => rmSync(root, { recursive: true, force: true }));
});
afterEach(async () => await opened.disposeAsync());

/** What a runner is to its certificates: CA, listener, members, and a rotation that goes on by itself. */
async function openRunner() {
  const redis = opened.use(await startRedis()).connect();
  await redisMemory(redis).vouchAfter(async () => true);
  const clock = { at: Date.now(), now: () => clock.at };
  const folder = join(root, "ca");
  const store = vmStore(redis, log);
  const members = caMembers(redis, store, "local-test");
  const ca = await openCa(folder, "local-test", clock.now(), LIFE_MS);
  const own = opened.use(
    await openOwnIdentity({
      ca,
      installation: "local-test",
      clock,
      log,
      onRenewed: (next) => listener.useIdentity(next),
    }),
  );
  const keysFile = join(root, "keys.json");
  writeFileSync(keysFile, JSON.stringify({ keys: [] }));
  const tokens = enrolmentTokens(redis);
  const vm = { id: ID, power: "running", labels: {}, version: "1", address: "127.0.0.1", port: 1 } as const;
  const listener = opened.use(
    await startEnrolment(
      { host: "127.0.0.1", port: 0 },
      {
        ca,
        identity: own.current,
        installation: "local-test",
        members,
        tokens,
        store,
        clock,
        log,
        controlPlaneKeysFile: keysFile,
        onEnrolled: () => {},
        joinTokens: { delegate: () => "d".repeat(48), gateway: () => "g".repeat(48) },
        provider: { get: async () => ({ ...vm, createdAt: 0, disks: [] }) },
      },
    ),
  );
  opened.use(startRotating({ ca, folder, members, clock, log, onChange: async () => await own.renew() }));
  await store.addStock(ID, pool, 0);
  await store.running(ID, { address: "127.0.0.1", port: 1, version: "1" });
  const processOf = (
    role: Enrolment["role"],
    name: string,
    token: string,
    caFingerprint = ca.fingerprint,
  ): Enrolment => ({
    enrolUrl: `https://127.0.0.1:${listener.address.port}`,
    caFingerprint,
    token,
    name,
    role,
    keyFile: join(root, `${name}.key`),
    certificateFile: join(root, `${name}.json`),
    signal: AbortSignal.timeout(20_000),
  });
  return {
    ca,
    clock,
    folder,
    store,
    gateway: (name: string, pin?: string) => processOf("gateway", name, "g".repeat(48), pin),
    vm: async (pin?: string) => processOf("vm", ID, await tokens.make(ID), pin),
    renewOwn: async () => await own.renew(),
    ask: () => writeFileSync(join(folder, REQUEST), ""),
    progress: () => JSON.parse(readFileSync(join(folder, PROGRESS), "utf8")) as Progress,
  };
}

type Runner = Awaited<ReturnType<typeof openRunner>>;
const reaches = async (runner: Runner, phase: Progress["phase"]) =>
  await expect.poll(() => runner.progress().phase, { timeout: 4_000, interval: 50 }).toBe(phase);
const trustedBy = ({ ca }: { ca: string }): number => ca.split("BEGIN CERTIFICATE").length - 1;
const issuerOf = (certificate: string, { certificate: authority }: Pick<Ca, "certificate">): boolean =>
  new X509Certificate(certificate).verify(new X509Certificate(authority).publicKey);
/** A later life of a process: what it has is renewed before it is used again. */
const again = async (enrolment: Enrolment) => await enrol(enrolment);

test("a rotation passes its three phases as its members renew, and trusts two authorities meanwhile", async () => {
  const runner = await openRunner();
  const { ca, clock } = runner;
  const first = { certificate: ca.certificate, fingerprint: ca.fingerprint };
  const east = runner.gateway("east");
  expect(trustedBy(await enrol(east))).toBe(1);
  clock.at += LIFE_MS;
  await again(east);

  runner.ask();
  await reaches(runner, "announced");
  expect(existsSync(join(runner.folder, REQUEST))).toBe(false);
  expect(ca.fingerprint).toBe(first.fingerprint);
  expect(runner.progress()).toMatchObject({ waitedFor: ["gateway/east"], members: 1, isWhole: true });
  const heard = await again(east);
  expect([trustedBy(heard), issuerOf(heard.certificate, first)]).toEqual([2, true]);

  clock.at += LIFE_MS / 100;
  await reaches(runner, "retiring");
  expect(ca.fingerprint).not.toBe(first.fingerprint);
  expect(readFileSync(join(runner.folder, "fingerprint"), "utf8").trim()).toBe(ca.fingerprint);
  const switched = await again(east);
  expect([trustedBy(switched), issuerOf(switched.certificate, ca)]).toEqual([2, true]);

  clock.at += LIFE_MS / 100;
  await reaches(runner, "none");
  const after = await again(east);
  expect([trustedBy(after), issuerOf(after.certificate, ca)]).toEqual([1, true]);
  expect(keyFingerprint(after.certificate)).toBe(keyFingerprint(heard.certificate));
  // Of the first one nothing is left that could sign.
  expect(readdirSync(runner.folder).filter((name) => name.endsWith("key.pem"))).toEqual([
    `${ca.fingerprint.slice(0, 16)}.key.pem`,
  ]);
});

test("a member that stays silent keeps a rotation until the deadline, and one that is gone does not", async () => {
  const runner = await openRunner();
  await enrol(runner.gateway("silent"));
  await enrol(await runner.vm());
  runner.ask();
  await reaches(runner, "announced");
  // Whoever was there before anybody was written down could be missing, so nobody is counted out yet.
  expect(runner.progress()).toMatchObject({ isWhole: false, members: 2, until: runner.clock.at + LIFE_MS * 1.1 });
  await runner.store.forget(ID, "default", null);
  await expect.poll(() => runner.progress().waitedFor, { timeout: 3_000 }).toEqual(["gateway/silent"]);
  runner.clock.at += LIFE_MS - 1;
  await expect.poll(() => runner.progress().at, { timeout: 3_000 }).toBe(runner.clock.at);
  expect(runner.progress().phase).toBe("announced");
  runner.clock.at += LIFE_MS / 10 + 1;
  await reaches(runner, "retiring");
  runner.clock.at += LIFE_MS * 1.1;
  await reaches(runner, "none");
});

/** Every certificate has run out meanwhile, so nobody is waited for. Afterwards it is now again. */
async function rotateAsleep(runner: Runner): Promise<void> {
  const { number } = runner.ca.record;
  runner.clock.at = Date.now() + LIFE_MS * 2;
  runner.ask();
  await expect.poll(() => runner.ca.record.number, { timeout: 6_000 }).toBe(number + 3);
  runner.clock.at = Date.now();
  await runner.renewOwn();
}

test("a VM that slept through two rotations renews under its key, and pins of every age go on working", async () => {
  const runner = await openRunner();
  const pin = runner.ca.fingerprint;
  const vm = await runner.vm();
  const before = await enrol(vm);
  await rotateAsleep(runner);
  await rotateAsleep(runner);
  expect(runner.ca.record.former).toHaveLength(2);
  const woken = await enrol({ ...vm, token: "" });
  expect(keyFingerprint(woken.certificate)).toBe(keyFingerprint(before.certificate));
  expect([issuerOf(woken.certificate, runner.ca), trustedBy(woken)]).toEqual([true, 1]);
  for (const [name, known] of Object.entries({ old: pin, new: runner.ca.fingerprint }))
    expect(issuerOf((await enrol(runner.gateway(name, known))).certificate, runner.ca)).toBe(true);
  await expect(enrol(runner.gateway("stranger", "0".repeat(64)))).rejects.toMatchObject({
    failure: { code: "denied" },
  });
}, 20_000);

test("a gateway's certificate of a CA that is trusted no more renews nothing", async () => {
  const runner = await openRunner();
  const east = { ...runner.gateway("east"), token: "" };
  await enrol({ ...east, token: "g".repeat(48) });
  await rotateAsleep(runner);
  await expect(enrol(east)).rejects.toMatchObject({ failure: { code: "denied" } });
});

const crashing = fileURLToPath(new URL("../testing/crashing-rotation.ts", import.meta.url));

test.each(Object.values(caPoints))(
  "I6 E1: a runner killed at %s goes on with the rotation where it was",
  async (point) => {
    const folder = join(root, "ca");
    const start = Date.now();
    const before = await openCa(folder, "local-test", start, HOUR_MS);
    const run = () =>
      spawnSync(process.execPath, [crashing, folder], {
        env: { ...process.env, GITSPACES_FAILPOINT: `${point}:kill` },
        encoding: "utf8",
      });
    expect(run().signal).toBe("SIGKILL");
    const ca = await openCa(folder, "local-test", start, HOUR_MS);
    const isSwitched = point === caPoints.switch || point === caPoints.drop;
    expect(ca.fingerprint === before.fingerprint).toBe(!isSwitched);
    const number = { [caPoints.key]: 0, [caPoints.announce]: 1, [caPoints.switch]: 2, [caPoints.drop]: 3 }[point];
    expect(ca.record.number).toBe(number);
    for (const step of (["announce", "switch", "drop"] as const).slice(number))
      expect(await ca.take(step, start, start + 1)).toBe(true);
    expect([ca.record.retiring, ca.record.next, ca.fingerprint === before.fingerprint]).toEqual([null, null, false]);
  },
);

test("of two runners that share a folder one takes a step, and the other finds it taken", async () => {
  const now = Date.now();
  const [one, two] = [await openCa(join(root, "ca"), "x", now), await openCa(join(root, "ca"), "x", now)];
  const took = await Promise.all([one.take("announce", now, now), two.take("announce", now, now)]);
  expect(took.filter(Boolean)).toHaveLength(1);
  await Promise.all([one.look(), two.look()]);
  expect(one.trusted).toBe(two.trusted);
  expect(one.trusted).toContain(one.certificate);
});
