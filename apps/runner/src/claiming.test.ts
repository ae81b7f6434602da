import { randomUUID } from "node:crypto";
import { fail } from "@gitspaces/contracts";
import { createLog } from "@gitspaces/daemon";
import { afterEach, expect, test } from "vitest";
import { claimStore } from "./claim-store.ts";
import { destroyTask, openBench, provisionTask, type RunnerBench, stopTask } from "./testing/runner-bench.ts";
import { redisMemory } from "./redis-memory.ts";
import { vmStore } from "./vm-store.ts";
import { startRedis } from "./testing/redis-server.ts";

const HELLO = "hello-k3v9x2";
const OTHER = "other-a1b2c3";
const bench: { current?: RunnerBench } = {};
afterEach(async () => {
  await bench.current?.[Symbol.asyncDispose]();
  delete bench.current;
});

async function open(wanted: Parameters<typeof openBench>[0] = {}): Promise<RunnerBench> {
  const opened = await openBench(wanted);
  bench.current = opened;
  await opened.until("the pool is warm", async () => (await opened.warm()).length === opened.pool.warm);
  return opened;
}

test("200 claims at once on 50 warm VMs under a max of 60: 50 warm, 10 new, the rest no capacity, no VM twice", async () => {
  await using server = await startRedis();
  const redis = server.connect();
  await redisMemory(redis).vouchAfter(async () => true);
  const [store, claims] = [vmStore(redis, createLog("runner", "silent")), claimStore(redis)];
  const pool = { name: "default", type: "process", warm: 50, max: 60, image: "default", isDefault: true } as const;
  for (let index = 0; index < 50; index++) {
    const id = `default-${index}`;
    await store.addStock(id, pool, index);
    await store.running(id, { address: "127.0.0.1", port: 1, version: "1" });
    await store.enrolled(id, "k");
    await store.agent(id, "default", "ready");
  }
  const names = Array.from({ length: 200 }, (_, index) => `hello-${String(index).padStart(6, "a")}`);
  const reserved = await Promise.all(
    names.map((gitspaceId) => claims.reserve({ gitspaceId, generation: 1, id: randomUUID() }, pool, 1_000)),
  );

  const ids = reserved.flatMap((each) => ("id" in each ? [each.id] : []));
  const count = (outcome: string) => reserved.filter((each) => each.outcome === outcome).length;
  expect({ warm: count("warm"), cold: count("cold"), full: count("full") }).toEqual({ warm: 50, cold: 10, full: 140 });
  expect(new Set(ids).size).toBe(60);
  expect(await redis.hlen("gs:pool:default:slots")).toBe(60);
  expect(await store.addStock("default-more", pool, 1_001)).toBe(false);
});

test("the oldest warm VM is handed out first", async () => {
  await using server = await startRedis();
  const redis = server.connect();
  await redisMemory(redis).vouchAfter(async () => true);
  const [store, claims] = [vmStore(redis, createLog("runner", "silent")), claimStore(redis)];
  const pool = { name: "default", type: "process", warm: 2, max: 9, image: "default", isDefault: true } as const;
  for (const [id, createdAt] of [
    ["default-young", 20],
    ["default-old", 10],
  ] as const) {
    await store.addStock(id, pool, createdAt);
    await store.running(id, { address: "127.0.0.1", port: 1, version: "1" });
    await store.enrolled(id, "k");
    await store.agent(id, "default", "ready");
  }
  expect(await claims.reserve({ gitspaceId: HELLO, generation: 1, id: randomUUID() }, pool, 30)).toMatchObject({
    outcome: "warm",
    id: "default-old",
  });
});

test("a VM that was taken out of the stock cannot be claimed, one that was claimed cannot be taken out", async () => {
  await using server = await startRedis();
  const redis = server.connect();
  await redisMemory(redis).vouchAfter(async () => true);
  const [store, claims] = [vmStore(redis, createLog("runner", "silent")), claimStore(redis)];
  const pool = { name: "default", type: "process", warm: 2, max: 2, image: "default", isDefault: true } as const;
  for (const id of ["default-a", "default-b"]) {
    await store.addStock(id, pool, 1);
    await store.running(id, { address: "127.0.0.1", port: 1, version: "1" });
    await store.enrolled(id, "k");
    await store.agent(id, "default", "ready");
  }
  expect(await store.takeStock("default-a", "default")).toBe(true);
  expect(await claims.reserve({ gitspaceId: HELLO, generation: 1, id: randomUUID() }, pool, 30)).toMatchObject({
    outcome: "warm",
    id: "default-b",
  });
  expect(await store.takeStock("default-b", "default")).toBe(false);
  expect(await claims.reserve({ gitspaceId: "other-a1b2c3", generation: 1, id: randomUUID() }, pool, 30)).toEqual({
    outcome: "coming",
  });
});

test("a route of a lower generation never replaces one of a higher", async () => {
  await using server = await startRedis();
  const redis = server.connect();
  await redisMemory(redis).vouchAfter(async () => true);
  const claims = claimStore(redis);
  const pool = { name: "default", type: "process", warm: 0, max: 9, image: "default", isDefault: true } as const;
  const reserved = await claims.reserve({ gitspaceId: HELLO, generation: 3, id: randomUUID() }, pool, 1);
  if (!("id" in reserved)) throw new Error("nothing reserved");
  const route = {
    gitspaceId: HELLO,
    generation: 3,
    instanceId: reserved.id,
    address: "127.0.0.1",
    port: 1,
    keyFingerprint: "k",
  };
  expect(await claims.setRoute(route)).toBe(true);
  expect(await claims.setRoute({ ...route, generation: 2 })).toBe(false);
  expect(await claims.setRoute({ ...route, instanceId: "default-other" })).toBe(false);
  await claims.removeRoute(HELLO, 2);
  expect(await claims.route(HELLO)).toEqual(route);
});

test("the same task twice, and at the same time, makes one claim", async () => {
  const { run, provider } = await open();
  const task = provisionTask(HELLO);
  const twin = { ...task, id: randomUUID() };
  const [first, second] = await Promise.all([run(task), run(twin)]);
  expect(first.outcome).toBe("ok");
  expect(second).toMatchObject({ outcome: "ok", result: { vm: first.outcome === "ok" ? first.result["vm"] : null } });
  expect([...provider.vms.values()].filter((vm) => vm.labels["gs-gitspace"] === HELLO).length).toBe(1);
});

test.each(["label", "createDisk", "attachDisk"] as const)(
  "a runner that hangs at %s leaves a claim that the next delivery finishes with the same VM, and its end takes nothing away",
  async (step) => {
    const [hanging, woken] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let isArmed = false;
    const { run, warm, redis, provider } = await open({
      provider: {
        before: async (operation) => {
          if (operation !== step || !isArmed) return;
          isArmed = false;
          hanging.resolve();
          await woken.promise;
          throw fail("internal", "the zombie's call failed at last");
        },
      },
    });
    isArmed = true;
    const [stock = ""] = await warm();
    const task = provisionTask(HELLO);
    const zombie = run(task).catch(() => undefined);
    await hanging.promise;
    // As after the lock's time: the other delivery, under another job, finds it free.
    await redis.hdel(`gs:claim:${HELLO}`, "lockedBy", "lockedUntil");
    const again = await run({ ...task, id: randomUUID() });
    expect(again).toMatchObject({ outcome: "ok", result: { vm: { instanceId: stock }, warm: true } });
    await redis.hset(`gs:claim:${HELLO}`, "lockedBy", "the other runner", "lockedUntil", Date.now() + 2_000);
    woken.resolve();
    await zombie;
    expect([...provider.vms.values()].filter((vm) => vm.labels["gs-gitspace"] === HELLO).map(({ id }) => id)).toEqual([
      stock,
    ]);
  },
);

test("when the disk cannot be attached that VM is removed and the next attempt goes on with another", async () => {
  let failures = 2;
  const { run, provider } = await open({
    provider: {
      before: (operation) => {
        if (operation === "attachDisk" && failures-- > 0) throw fail("internal", "the disk is stuck");
      },
    },
  });
  const answer = await run(provisionTask(HELLO));
  expect(answer).toMatchObject({ outcome: "ok" });
  const holders = [...provider.vms.values()].filter((vm) => vm.labels["gs-gitspace"] === HELLO);
  expect(holders.length).toBe(1);
  expect(provider.disks.get(HELLO)?.attachedTo).toBe(holders[0]?.id);
});

test("I1 I6: a start whose claim was lost meanwhile takes nothing from the Gitspace that has the VM by then", async () => {
  let [isArmed, stolen] = [false, ""];
  const { run, provider, redis } = await open({
    pool: { warm: 2 },
    provider: {
      before: async (operation, id) => {
        if (operation !== "label" || stolen !== "" || !isArmed) return;
        stolen = id;
        await redis.hset(`gs:vm:${id}`, { owner: OTHER, generation: 1, task: "t" });
        await redis.hset(`gs:claim:${OTHER}`, { vm: id, generation: 1 });
        const vm = provider.vms.get(id);
        if (vm !== undefined) Object.assign(vm, { labels: { ...vm.labels, "gs-gitspace": OTHER }, version: "another" });
      },
    },
  });
  isArmed = true;
  expect(await run(provisionTask(HELLO))).toMatchObject({ outcome: "ok" });
  expect(provider.vms.get(stolen)).toMatchObject({ power: "running", labels: { "gs-gitspace": OTHER } });
  expect(await redis.hgetall(`gs:vm:${stolen}`)).toMatchObject({ power: "running", owner: OTHER });
  expect(await redis.hget(`gs:claim:${HELLO}`, "vm")).not.toBe(stolen);
});

test("I1 I6: a claim on a VM that is on record as another's gives another VM, and that one goes on", async () => {
  const { run, provider, redis } = await open({ pool: { warm: 2 } });
  const answer = await run(provisionTask(OTHER));
  const id = answer.outcome === "ok" ? (answer.result["vm"] as { instanceId: string }).instanceId : "";
  await redis.hset(`gs:claim:${HELLO}`, { vm: id, generation: 1 });
  expect(await run(provisionTask(HELLO))).toMatchObject({ outcome: "ok" });
  expect(await redis.hget(`gs:claim:${HELLO}`, "vm")).not.toBe(id);
  expect(provider.vms.get(id)).toMatchObject({ power: "running", labels: { "gs-gitspace": OTHER } });
  expect(await redis.hgetall(`gs:vm:${id}`)).toMatchObject({ power: "running", owner: OTHER });
});

test("I1 I6: a stop and a delete take nothing from a VM that is on record as another's", async () => {
  const { run, provider, redis } = await open({ pool: { warm: 2 } });
  const answer = await run(provisionTask(OTHER));
  const id = answer.outcome === "ok" ? (answer.result["vm"] as { instanceId: string }).instanceId : "";
  for (const task of [stopTask(HELLO, 2), destroyTask(HELLO, 3)]) {
    await redis.hset(`gs:claim:${HELLO}`, { vm: id });
    expect(await run(task)).toMatchObject({ outcome: "ok" });
    expect(await redis.hget(`gs:claim:${HELLO}`, "vm")).toBeNull();
    expect(provider.vms.get(id)).toMatchObject({ power: "running", labels: { "gs-gitspace": OTHER } });
    expect(await redis.hgetall(`gs:vm:${id}`)).toMatchObject({ power: "running", owner: OTHER });
  }
});

test("three failed attempts are answered with the last failure, and nothing stays", async () => {
  const { run, provider, redis } = await open({
    provider: {
      before: (operation) => {
        if (operation === "attachDisk") throw fail("disk_full", "no room for the disk");
      },
    },
  });
  expect(await run(provisionTask(HELLO))).toMatchObject({ outcome: "failed", failure: { code: "disk_full" } });
  expect([...provider.vms.values()].filter((vm) => vm.labels["gs-gitspace"] === HELLO)).toEqual([]);
  expect(await redis.hget(`gs:claim:${HELLO}`, "vm")).toBeNull();
});

test("a warm VM that died is noticed at the hand-over and another is given", async () => {
  const { run, provider, redis } = await open({ pool: { warm: 2 } });
  const [oldest = ""] = await redis.zrange("gs:pool:default:warm", "0", "0");
  await provider.kill(oldest);
  const answer = await run(provisionTask(HELLO));
  expect(answer.outcome).toBe("ok");
  expect(answer).not.toMatchObject({ result: { vm: { instanceId: oldest } } });
  expect(provider.vms.has(oldest)).toBe(false);
});

test("max holds over warm, claimed and new VMs together", async () => {
  const { run, provider, until, warm } = await open({ pool: { warm: 2, max: 3 } });
  const answers = await Promise.all(
    ["a", "b", "c", "d", "e"].map((letter) => run(provisionTask(`hello-${letter.repeat(6)}`))),
  );
  expect(answers.filter(({ outcome }) => outcome === "ok").length).toBe(3);
  expect(answers.flatMap((answer) => (answer.outcome === "failed" ? [answer.failure.code] : []))).toEqual([
    "no_capacity",
    "no_capacity",
  ]);
  expect(provider.counts.most).toBeLessThanOrEqual(3);
  expect(await warm()).toEqual([]);
  expect(await run(stopTask("hello-aaaaaa", 2))).toMatchObject({ outcome: "ok" });
  await until("the free slot is filled", async () => (await warm()).length === 1 || provider.vms.size === 3);
  expect(provider.counts.most).toBeLessThanOrEqual(3);
});

test("a later stop ends a start that still waits for its VM", async () => {
  const { run, provider } = await open({ pool: { warm: 0 }, provider: { agents: false } });
  const starting = run(provisionTask(HELLO, 1));
  await bench.current?.until("the VM is being made", () => provider.vms.size === 1);
  expect(await run(stopTask(HELLO, 2))).toMatchObject({ outcome: "ok", result: { power: "gone" } });
  expect(await starting).toMatchObject({ outcome: "failed", failure: { code: "superseded" } });
  expect(provider.vms.size).toBe(0);
});

test("a VM that was claimed while its silent agent was asked is not called failed", async () => {
  const opened = await open();
  const [stock = ""] = await opened.warm();
  await opened.run(provisionTask(HELLO));
  const store = vmStore(opened.redis, createLog("runner", "silent"));
  expect(await store.agent(stock, "default", "failed", "silent")).toBe(false);
  expect((await store.get(stock))?.vm).toMatchObject({ agent: "ready" });
});
