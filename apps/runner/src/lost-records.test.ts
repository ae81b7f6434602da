import { afterEach, expect, test } from "vitest";
import {
  destroyTask,
  openBench,
  provisionTask,
  type RunnerBench,
  statusTask,
  stopTask,
} from "./testing/runner-bench.ts";

const HELLO = "hello-k3v9x2";
let bench: RunnerBench;
afterEach(async () => await bench[Symbol.asyncDispose]());

async function claimed(wanted: Parameters<typeof openBench>[0] = {}): Promise<string> {
  bench = await openBench(wanted);
  await bench.until("the pool is warm", async () => (await bench.warm()).length === bench.pool.warm);
  const answer = await bench.run(provisionTask(HELLO, 1));
  if (answer.outcome === "failed") throw new Error(answer.failure.message);
  return (answer.result["vm"] as { instanceId: string }).instanceId;
}
const route = async () => await bench.redis.get(`gs:route:${HELLO}`);

test("a record that cannot be read keeps no runner from starting, and is rebuilt from labels", async () => {
  const held = await claimed();
  const before = await route();
  await bench.restart(() => bench.redis.hdel(`gs:vm:${held}`, "id", "pool"));
  expect(await bench.redis.hgetall(`gs:vm:${held}`)).toMatchObject({ id: held, pool: "default", owner: HELLO });
  expect(await route()).toBe(before);
  expect(await bench.run(provisionTask(HELLO, 2))).toMatchObject({ result: { vm: { instanceId: held } } });
});

test("a route that cannot be read keeps no sweep from its work, and is written again or removed", async () => {
  await claimed({ sweepMs: 100 });
  const before = await route();
  await bench.redis.set(`gs:route:${HELLO}`, '{"generation":');
  await bench.redis.set("gs:route:other-a1b2c3", "[]");
  await bench.until("it is as it was", async () => (await route()) === before);
  const other = "gs:route:other-a1b2c3";
  await bench.until("the route of nobody is gone", async () => (await bench.redis.exists(other)) === 0);
  expect(await route()).toBe(before);
});

test("a warm VM whose record cannot be read is warm again after a sweep", async () => {
  bench = await openBench({ sweepMs: 100 });
  await bench.until("the pool is warm", async () => (await bench.warm()).length === 1);
  const [stock = ""] = await bench.warm();
  await bench.redis.hset(`gs:vm:${stock}`, "power", "humming");
  await bench.until("it is on record again", async () => {
    return (await bench.redis.hget(`gs:vm:${stock}`, "power")) === "running" && (await bench.warm()).includes(stock);
  });
  expect(await bench.redis.hgetall(`gs:vm:${stock}`)).toMatchObject({ id: stock, owner: "", agent: "ready" });
});

test("a slot of a VM that is neither on record nor at the provider becomes free", async () => {
  bench = await openBench({ pool: { warm: 1, max: 1 }, sweepMs: 100 });
  await bench.until("the pool is warm", async () => (await bench.warm()).length === 1);
  await bench.redis.hset("gs:pool:default:slots", "default-ghost", "", "default-shade", HELLO);
  await bench.redis.hset("gs:vm:default-shade", "power", "running", "owner", HELLO);
  await bench.until("only the real VM has one", async () => (await bench.redis.hlen("gs:pool:default:slots")) === 1);
  expect(await bench.redis.exists("gs:vm:default-shade")).toBe(0);
});

test("a VM of the stock that dies while it comes up is replaced without waiting for its deadline", async () => {
  bench = await openBench({ sweepMs: 100, vmStartMs: 60_000, provider: { agents: false } });
  await bench.until("one is being made", () => bench.provider.vms.size === 1);
  const [first = ""] = bench.provider.vms.keys();
  await bench.until("it runs", async () => (await bench.redis.hget(`gs:vm:${first}`, "power")) === "running");
  await bench.provider.kill(first);
  await bench.until("another is being made", () => bench.provider.counts.created === 2);
  expect(bench.provider.vms.has(first)).toBe(false);
});

test("clearing away a VM that a Gitspace held before does not touch the route to the one it has now", async () => {
  const held = await claimed({ sweepMs: 100 });
  const [before, record] = [await route(), await bench.redis.hgetall(`gs:vm:${held}`)];
  await bench.redis.hset("gs:vm:default-earlier", { ...record, id: "default-earlier", power: "deleting" });
  await bench.redis.hset("gs:pool:default:slots", "default-earlier", HELLO);
  await bench.until("the earlier one is gone", async () => (await bench.redis.exists("gs:vm:default-earlier")) === 0);
  expect(await route()).toBe(before);
  expect(await bench.redis.hget(`gs:claim:${HELLO}`, "vm")).toBe(held);
});

test("the status of a dead VM says so at once, before any sweep", async () => {
  const held = await claimed({ sweepMs: 60_000 });
  expect(await bench.run(statusTask(HELLO, 1))).toMatchObject({
    result: { vm: { instanceId: held, power: "running" } },
  });
  await bench.provider.kill(held);
  expect(await bench.run(statusTask(HELLO, 1))).toMatchObject({ outcome: "ok", result: { vm: null } });
});

test("a VM that serves is not reported as gone because Redis lost its claim", async () => {
  const held = await claimed({ sweepMs: 60_000 });
  await bench.redis.del(`gs:claim:${HELLO}`, `gs:vm:${held}`);
  expect(await bench.run(statusTask(HELLO, 1))).toMatchObject({
    result: { vm: { instanceId: held, power: "running" } },
  });
});

test("a VM is not reported as gone because Redis lost the end of its claim, or the provider did not list it", async () => {
  const held = await claimed({ sweepMs: 60_000 });
  await bench.redis.hdel(`gs:claim:${HELLO}`, "vm");
  await bench.redis.del(`gs:vm:${held}`);
  expect(await bench.run(statusTask(HELLO, 1))).toMatchObject({ result: { vm: { instanceId: held } } });
  const vms = new Map(bench.provider.vms);
  bench.provider.vms.clear();
  bench.provider.isComplete = false;
  expect(await bench.run(statusTask(HELLO, 1))).toMatchObject({ failure: { code: "vm_unreachable" } });
  bench.provider.isComplete = true;
  expect(await bench.run(statusTask(HELLO, 1))).toMatchObject({ outcome: "ok", result: { vm: null } });
  for (const [id, vm] of vms) bench.provider.vms.set(id, vm);
});

test("a delete takes the VM and the home disk away also when the VM's record was lost", async () => {
  const held = await claimed({ sweepMs: 60_000 });
  await bench.redis.del(`gs:vm:${held}`);
  expect(await bench.run(destroyTask(HELLO, 2))).toMatchObject({ outcome: "ok" });
  expect(bench.provider.vms.has(held)).toBe(false);
  expect(bench.provider.disks.has(HELLO)).toBe(false);
});

test("after Redis lost everything the last action that the labels know is the one that counts", async () => {
  await claimed();
  expect(await bench.run(provisionTask(HELLO, 3))).toMatchObject({ outcome: "ok" });
  const before = await route();
  await bench.restart(() => bench.redis.flushall());
  expect(await route()).toBe(before);
  expect(await bench.redis.hget(`gs:claim:${HELLO}`, "generation")).toBe("3");
  expect(await bench.run(stopTask(HELLO, 2))).toMatchObject({ outcome: "failed", failure: { code: "superseded" } });
});

test("stock of a pool that is no longer in pool.yml is removed, unless another runner still plans for the pool", async () => {
  bench = await openBench({ pool: { warm: 1 }, sweepMs: 100 });
  await bench.until("the pool is warm", async () => (await bench.warm()).length === 1);
  const [stock = ""] = await bench.warm();
  const record = await bench.redis.hgetall(`gs:vm:${stock}`);
  await bench.redis.hset("gs:pool:theirs:lease", { holder: "another", until: Date.now() + 60_000, epoch: 1 });
  for (const pool of ["theirs", "old"]) {
    const id = `${pool}-one`;
    await bench.redis.hset(`gs:pool:${pool}:slots`, id, "");
    await bench.redis.hset(`gs:vm:${id}`, { ...record, id, pool });
    const labels = { "gs-installation": "local-test", "gs-pool": pool };
    const metadata = {
      enrolUrl: bench.config.enrolUrl,
      caFingerprint: "0".repeat(64),
      token: "0".repeat(32),
      instanceId: id,
    };
    await bench.provider.create(
      { id, pool: { ...bench.pool, name: pool }, labels, metadata },
      { key: id, signal: AbortSignal.timeout(1_000) },
    );
  }
  await bench.until("the old pool's is gone", () => !bench.provider.vms.has("old-one"));
  expect(await bench.redis.exists("gs:vm:old-one", "gs:pool:old:slots")).toBe(0);
  expect(bench.provider.vms.has("theirs-one")).toBe(true);
});
