import { randomUUID } from "node:crypto";
import { createLog } from "@gitspaces/daemon";
import { afterEach, expect, test } from "vitest";
import { claimStore } from "./claim-store.ts";
import { redisMemory } from "./redis-memory.ts";
import { openBench, provisionTask, type RunnerBench } from "./testing/runner-bench.ts";
import { startRedis } from "./testing/redis-server.ts";
import { vmStore } from "./vm-store.ts";

const pool = { name: "default", type: "process", warm: 1, max: 2, image: "default", isDefault: true } as const;
const HELLO = "hello-k3v9x2";
const OTHER = "other-a1b2c3";
let bench: RunnerBench | undefined;
afterEach(async () => {
  await bench?.[Symbol.asyncDispose]();
  bench = undefined;
});

async function openMemory() {
  const server = await startRedis();
  const redis = server.connect();
  const stores = { store: vmStore(redis, createLog("runner", "silent")), claims: claimStore(redis) };
  return { ...stores, redis, memory: redisMemory(redis), [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}
const task = () => ({ gitspaceId: HELLO, generation: 1, id: randomUUID() });

test("I1 I4 E4: nothing is claimed, made or removed for a pool in a Redis that may have lost records", async () => {
  await using open = await openMemory();
  const { memory, store, claims, redis } = open;
  expect(await memory.isWhole()).toBe(false);
  expect(await store.addStock("default-a", pool, 1)).toBe(false);
  expect(await claims.reserve(task(), pool, 1)).toEqual({ outcome: "unsure" });
  await expect(memory.check()).rejects.toThrow(/compared with the provider/);
  await memory.vouchAfter(async () => true);
  expect(await store.addStock("default-a", pool, 1)).toBe(true);
  expect(await claims.reserve(task(), pool, 1)).toMatchObject({ outcome: "cold" });
  await redis.del("gs:whole:records");
  expect(await store.takeStock("default-a", "default")).toBe(false);
  expect(await claims.reserve(task(), pool, 1)).toEqual({ outcome: "unsure" });
});

test("E3: records written in another Redis process are not vouched for", async () => {
  await using open = await openMemory();
  const { memory, redis } = open;
  await memory.vouchAfter(async () => true);
  await redis.set("gs:whole:records", "0".repeat(40));
  expect(await memory.isWhole()).toBe(false);
});

test("E4: a comparison counts only when it saw everything and nothing was lost meanwhile", async () => {
  await using open = await openMemory();
  const { memory, redis } = open;
  await memory.vouchAfter(async () => false);
  expect(await memory.isWhole()).toBe(false);
  await memory.vouchAfter(async () => (await redis.flushall()) === "OK");
  expect(await memory.isWhole()).toBe(false);
  await memory.vouchAfter(async () => true);
  expect(await memory.isWhole()).toBe(true);
});

test("E4: a task of before the loss waits for the comparison, and is then let in", async () => {
  await using open = await openMemory();
  const { memory, claims } = open;
  let isIn = false;
  const entering = claims.enter(HELLO, 1, "stop", AbortSignal.timeout(10_000)).then(() => (isIn = true));
  await new Promise((resolve) => setTimeout(resolve, 250));
  expect(isIn).toBe(false);
  await memory.vouchAfter(async () => true);
  await entering;
  const late = AbortSignal.abort(new Error("the deadline has passed"));
  await open.redis.flushall();
  await expect(claims.enter(HELLO, 1, "stop", late)).rejects.toThrow("the deadline has passed");
});

test("I14: a comparison that could not vouch is told by readiness, with its reason, until one can", async () => {
  await using open = await openMemory();
  const { memory } = open;
  await open.redis.flushall();
  await expect(memory.check()).rejects.toThrow(/compared with the provider$/);
  await memory.vouchAfter(async () => false);
  await expect(memory.check()).rejects.toThrow(/did not list every VM/);
  await memory.vouchAfter(async () => true);
  await memory.check();
});

async function runningBench(): Promise<{ held: string; running: RunnerBench }> {
  const running = await openBench({ pool: { warm: 1, max: 3 } });
  bench = running;
  await running.until("the pool is warm", async () => (await running.warm()).length === 1);
  const answer = await running.run(provisionTask(HELLO, 1));
  if (answer.outcome === "failed") throw new Error(answer.failure.message);
  await running.until("the pool is warm again", async () => (await running.warm()).length === 1);
  return { held: (answer.result["vm"] as { instanceId: string }).instanceId, running };
}
const isReady = async ({ runner }: RunnerBench) => {
  try {
    await Promise.all(Object.values(runner.checks).map(async (check) => await check()));
    return true;
  } catch {
    return false;
  }
};

test("E4 I3 I4: wiped under a running runner, Redis is rebuilt at once and no VM is made, lost or given twice", async () => {
  const { held, running } = await runningBench();
  const [stock, created] = [await running.warm(), running.provider.counts.created];
  await running.redis.flushall();
  await running.until("the runner is ready again", async () => await isReady(running));
  expect(await running.redis.hget(`gs:vm:${held}`, "owner")).toBe(HELLO);
  expect(await running.redis.exists(`gs:route:${HELLO}`)).toBe(1);
  expect(await running.warm()).toEqual(stock);
  expect(running.provider.counts.created).toBe(created);
  expect(await running.run(provisionTask(HELLO, 2))).toMatchObject({ result: { vm: { instanceId: held } } });
});

test("I1 E3: a claim that Redis forgot is taken from the label, although the VM stands among the warm ones", async () => {
  const { held, running } = await runningBench();
  const { redis } = running;
  // As an earlier end of the append-only file has it: the VM is warm, nobody claimed it.
  await redis.hset(`gs:vm:${held}`, "owner", "");
  await redis.hdel(`gs:vm:${held}`, "generation", "task", "warm");
  await redis.zadd("gs:pool:default:warm", 1, held);
  await redis.del(`gs:claim:${HELLO}`, `gs:route:${HELLO}`, "gs:whole:records");
  const other = await running.run(provisionTask(OTHER, 1));
  expect(other).toMatchObject({ outcome: "ok" });
  expect(other).not.toMatchObject({ result: { vm: { instanceId: held } } });
  expect(await redis.hget(`gs:vm:${held}`, "owner")).toBe(HELLO);
  expect(await redis.exists(`gs:route:${HELLO}`)).toBe(1);
});

test("E3: what Redis forgot of a VM's coming up is written again, and its Gitspace keeps it", async () => {
  const { held, running } = await runningBench();
  const { redis } = running;
  await redis.hset(`gs:vm:${held}`, { power: "making", agent: "starting" });
  await redis.hdel(`gs:vm:${held}`, "address", "port", "key");
  await redis.del(`gs:route:${HELLO}`, "gs:whole:records");
  await running.until("its route is there", async () => (await redis.exists(`gs:route:${HELLO}`)) === 1);
  expect(await redis.hgetall(`gs:vm:${held}`)).toMatchObject({ power: "running", agent: "ready" });
  expect(running.provider.vms.has(held)).toBe(true);
});

test("I1 I5 E4b: nobody's home disk is put into a VM whose label names another, although Redis gave it away again", async () => {
  const { held, running } = await runningBench();
  const { redis, provider } = running;
  const attached: string[] = [];
  const attachDisk = provider.attachDisk.bind(provider);
  provider.attachDisk = async (disk, vm, call) => {
    attached.push(`${disk} into ${vm}`);
    await attachDisk(disk, vm, call);
  };
  // As it was before the claim: the version of the labels is the earlier one too.
  const version = String(Number(provider.vms.get(held)?.version) - 1);
  await redis.hset(`gs:vm:${held}`, { owner: "", version });
  await redis.zadd("gs:pool:default:warm", 1, held);
  await redis.del(`gs:claim:${HELLO}`);
  expect(await running.run(provisionTask(OTHER, 1))).toMatchObject({ outcome: "ok" });
  expect(attached).not.toContain(`${OTHER} into ${held}`);
  expect(provider.disks.get(HELLO)).toMatchObject({ attachedTo: held });
});
