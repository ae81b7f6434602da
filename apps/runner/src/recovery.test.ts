import { parse, Route } from "@gitspaces/contracts";
import { afterEach, expect, test } from "vitest";
import { openBench, provisionTask, type RunnerBench, stopTask } from "./testing/runner-bench.ts";

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

test("a restarted runner goes on with the VMs that are there", async () => {
  const held = await claimed();
  await bench.until("the pool is warm again", async () => (await bench.warm()).length === 1);
  const [before, created] = [await bench.warm(), bench.provider.counts.created];
  await bench.restart();
  expect(await bench.warm()).toEqual(before);
  expect(await bench.run(provisionTask(HELLO, 2))).toMatchObject({
    outcome: "ok",
    result: { vm: { instanceId: held } },
  });
  expect(bench.provider.counts.created).toBe(created);
});

test("a runner that takes the place of one that was killed plans at once, without waiting for its lease to run out", async () => {
  bench = await openBench();
  await bench.until("the pool is warm", async () => (await bench.warm()).length === 1);
  const [stock = ""] = await bench.warm();
  await bench.restart(async () => {
    await bench.provider.kill(stock);
    for (const pool of ["default", "-sweep"])
      await bench.redis.hset(`gs:pool:${pool}:lease`, "until", Date.now() + 60_000);
  });
  await bench.until("another stands ready", async () => (await bench.warm()).length === 1);
  expect(await bench.warm()).not.toContain(stock);
});

test.each(["making", "running"])(
  "a VM that a runner left %s and not ready is brought up by the next",
  async (power) => {
    bench = await openBench();
    await bench.until("the pool is warm", async () => (await bench.warm()).length === 1);
    const [stock = ""] = await bench.warm();
    await bench.restart(async () => {
      await bench.redis.hset(`gs:vm:${stock}`, { power, agent: "starting" });
      await bench.redis.zrem("gs:pool:default:warm", stock);
    });
    await bench.until("it stands ready", async () => (await bench.warm()).includes(stock));
    expect(bench.provider.counts.created).toBe(1);
  },
);

test("after Redis lost everything claims, routes and warm VMs are restored from labels and agents", async () => {
  const held = await claimed();
  await bench.until("the pool is warm again", async () => (await bench.warm()).length === 1);
  const [stock, created] = [await bench.warm(), bench.provider.counts.created];
  const route = await bench.redis.get(`gs:route:${HELLO}`);
  await bench.restart(() => bench.redis.flushall());
  expect(await bench.warm()).toEqual(stock);
  expect(parse(Route, JSON.parse((await bench.redis.get(`gs:route:${HELLO}`)) ?? "null"), "route")).toEqual(
    JSON.parse(route ?? "null"),
  );
  expect(await bench.run(provisionTask(HELLO, 2))).toMatchObject({
    outcome: "ok",
    result: { vm: { instanceId: held } },
  });
  expect(bench.provider.counts.created).toBe(created);
});

test("a VM whose agent has an identity is never warm again, even when its label was lost", async () => {
  const held = await claimed({ pool: { warm: 1, max: 2 } });
  delete bench.provider.vms.get(held)?.labels["gs-gitspace"];
  await bench.restart(() => bench.redis.flushall());
  expect(await bench.warm()).not.toContain(held);
});

test("a claimed VM that lost its power is cleared away, its disk kept, and the Gitspace starts again", async () => {
  const held = await claimed({ sweepMs: 100 });
  await bench.provider.kill(held);
  await bench.until("the dead VM is gone", () => !bench.provider.vms.has(held));
  await bench.until("its route is gone", async () => (await bench.redis.get(`gs:route:${HELLO}`)) === null);
  expect(bench.provider.disks.get(HELLO)).toMatchObject({ attachedTo: null });
  const again = await bench.run(provisionTask(HELLO, 2));
  expect(again).toMatchObject({ outcome: "ok" });
  expect(again).not.toMatchObject({ result: { vm: { instanceId: held } } });
});

test("a warm VM that lost its power is replaced", async () => {
  bench = await openBench({ sweepMs: 100 });
  await bench.until("the pool is warm", async () => (await bench.warm()).length === 1);
  const [stock = ""] = await bench.warm();
  await bench.provider.kill(stock);
  await bench.until("another stands ready", async () => (await bench.warm()).some((id) => id !== stock));
  expect(bench.provider.vms.has(stock)).toBe(false);
});

test("a warm VM whose agent stays silent is replaced before anybody is given it", async () => {
  bench = await openBench({ sweepMs: 100 });
  await bench.until("the pool is warm", async () => (await bench.warm()).length === 1);
  const [stock = ""] = await bench.warm();
  await bench.provider.agents.get(stock)?.[Symbol.asyncDispose]();
  await bench.until("another stands ready", async () => (await bench.warm()).some((id) => id !== stock));
  await bench.until("the silent one is gone", () => !bench.provider.vms.has(stock));
  expect(await bench.warm()).not.toContain(stock);
});

test("a VM of ours that nobody owns is removed at the second sighting of a complete list, never before", async () => {
  bench = await openBench({ pool: { warm: 0 }, sweepMs: 100 });
  bench.provider.isComplete = false;
  const stray = {
    id: "default-stray",
    pool: bench.pool,
    labels: { "gs-installation": "local-test", "gs-pool": "default" },
  };
  const metadata = {
    enrolUrl: bench.config.enrolUrl,
    caFingerprint: "0".repeat(64),
    token: "0".repeat(32),
    instanceId: stray.id,
  };
  await bench.provider.create({ ...stray, metadata }, { key: "k", signal: AbortSignal.timeout(1_000) });
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(bench.provider.vms.has(stray.id)).toBe(true);
  bench.provider.isComplete = true;
  await bench.until("the stray is removed", () => !bench.provider.vms.has(stray.id));
});

test("a VM of another installation is not ours to touch", async () => {
  bench = await openBench({ pool: { warm: 0 }, sweepMs: 100 });
  const metadata = {
    enrolUrl: bench.config.enrolUrl,
    caFingerprint: "0".repeat(64),
    token: "0".repeat(32),
    instanceId: "theirs-a",
  };
  await bench.provider.create(
    { id: "theirs-a", pool: bench.pool, labels: { "gs-installation": "other" }, metadata },
    { key: "k", signal: AbortSignal.timeout(1_000) },
  );
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(bench.provider.vms.has("theirs-a")).toBe(true);
});

test("a VM whose agent never comes up is removed, and the pool says why it is not ready", async () => {
  bench = await openBench({ vmStartMs: 1_000, provider: { agents: false } });
  await bench.until("two VMs in a row failed", () => {
    try {
      void bench.runner.checks["pools"]?.();
      return false;
    } catch {
      return true;
    }
  });
  expect(() => bench.runner.checks["pools"]?.()).toThrow(/did not come up within 1 s/);
  expect(bench.provider.counts.most).toBe(1);
});

test("the removal of a VM that was cut short is finished, and the stop that began it succeeds when repeated", async () => {
  let isBroken = true;
  const held = await claimed({
    sweepMs: 60_000,
    provider: {
      before: (operation, id) => {
        if (operation === "remove" && isBroken && id !== "") throw new Error("the machine went away");
      },
    },
  });
  expect(await bench.run(stopTask(HELLO, 2))).toMatchObject({ outcome: "failed", failure: { code: "internal" } });
  isBroken = false;
  expect(await bench.run(stopTask(HELLO, 2))).toMatchObject({ outcome: "ok", result: { power: "gone" } });
  expect(bench.provider.vms.has(held)).toBe(false);
});
