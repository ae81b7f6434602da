// Work that nobody wants any more ends at once, whether it was said while it went on or before it began.
import { CANCELLED_CHANNEL, redisKeys } from "@gitspaces/contracts";
import { afterEach, expect, test } from "vitest";
import { openBench, provisionTask, type RunnerBench, statusTask } from "./testing/runner-bench.ts";

const HELLO = "hello-k3v9x2";
let bench: RunnerBench;
afterEach(async () => await bench[Symbol.asyncDispose]());

async function cancel(taskId: string): Promise<void> {
  await bench.redis.set(redisKeys.cancelled(taskId), "1", "PX", 60_000);
  await bench.redis.publish(CANCELLED_CHANNEL, taskId);
}
const cancelled = { outcome: "failed", failure: { code: "cancelled", retry: "never" } };

test("I8: a provision that waits for its VM is answered as cancelled as soon as it is not wanted any more", async () => {
  // The VM never reports, so that only the cancellation, or twenty seconds, can end the wait for it.
  bench = await openBench({ pool: { warm: 0 }, provider: { agents: false } });
  const task = provisionTask(HELLO);
  const answer = bench.run(task);
  await bench.until("the VM is made", () => bench.provider.counts.created === 1);
  const toldAt = performance.now();
  await cancel(task.id);
  expect(await answer).toMatchObject(cancelled);
  expect(performance.now() - toldAt).toBeLessThan(5_000);
  expect(await bench.redis.exists(redisKeys.route(HELLO))).toBe(0);
});

test("I8: a task that was cancelled while no runner was there is not begun", async () => {
  bench = await openBench({ pool: { warm: 0 } });
  const task = provisionTask(HELLO);
  await cancel(task.id);
  expect(await bench.run(task)).toMatchObject(cancelled);
  expect(bench.provider.counts.created).toBe(0);
  expect(await bench.redis.exists(redisKeys.claim(HELLO))).toBe(0);
  expect(await bench.run(statusTask(HELLO, 1))).toMatchObject({ outcome: "ok", result: { vm: null } });
});

test("I8: what was said while the connection to Redis was away is heard when it is back", async () => {
  const begun = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const before = async (operation: string) => {
    if (operation !== "create") return;
    begun.resolve();
    await gate.promise;
  };
  bench = await openBench({ pool: { warm: 0 }, provider: { before } });
  const task = provisionTask(HELLO);
  const answer = bench.run(task);
  await begun.promise;
  await bench.redis.set(redisKeys.cancelled(task.id), "1", "PX", 60_000);
  await bench.redis.call("CLIENT", "KILL", "TYPE", "pubsub");
  setTimeout(gate.resolve, 2_000);
  expect(await answer).toMatchObject(cancelled);
});

test("I8 E6: what was said on a connection that is dead without saying so is found all the same", async () => {
  bench = await openBench({ pool: { warm: 0 }, provider: { agents: false } });
  const task = provisionTask(HELLO);
  const answer = bench.run(task);
  await bench.until("the VM is made", () => bench.provider.counts.created === 1);
  // Nobody hears of it, as on such a connection.
  await bench.redis.set(redisKeys.cancelled(task.id), "1", "PX", 60_000);
  expect(await answer).toMatchObject(cancelled);
});
