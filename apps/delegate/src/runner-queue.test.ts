// The queue to the runner, on a real Redis with a real worker; the bad days of Redis included.
import {
  type Answer,
  CANCELLED_CHANNEL,
  failure,
  REDIS_PREFIX,
  redisKeys,
  RUNNER_QUEUE,
  type TaskEvent,
  type VmTask,
} from "@gitspaces/contracts";
import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { openRunnerQueue } from "./runner-queue.ts";
import { freePort, startRedis, type TestRedis } from "./testing/redis.ts";
import { eventOf, startRunner, vmGone } from "./testing/runner.ts";
import { quiet } from "./testing/settings.ts";
import { vmTask } from "./testing/task.ts";
import type { Assignment } from "./workplace.ts";

let redis: TestRedis;
let client: Redis;
let cleanup: AsyncDisposableStack;
const never = new AbortController().signal;
beforeAll(async () => {
  redis = await startRedis();
  client = new Redis(redis.url, { maxRetriesPerRequest: null });
});
afterAll(async () => {
  client.disconnect();
  await redis[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await client.flushall();
  cleanup = new AsyncDisposableStack();
});
afterEach(() => cleanup.disposeAsync());

function place() {
  return cleanup.use(openRunnerQueue(redis.url, undefined, quiet));
}
function assignment(task: VmTask): Assignment<VmTask> & { events: TaskEvent[] } {
  const events: TaskEvent[] = [];
  const take = (fresh: readonly TaskEvent[]) => void events.push(...fresh);
  return { task, raw: task, events, lastEvent: () => events.at(-1)?.seq ?? 0, onEvents: take };
}
function jobs(): Promise<number> {
  const queue = new Queue(RUNNER_QUEUE, { connection: client, prefix: REDIS_PREFIX });
  return queue.getJobCountByTypes("waiting", "active", "completed", "failed");
}

test("a job is the task under the task's id, and is gone once its answer was released", async () => {
  const runner = cleanup.use(startRunner(redis.url));
  const queue = place();
  const task = vmTask();
  expect(await queue.follow(assignment(task), never)).toEqual(vmGone(task));
  expect(await jobs()).toBe(1);
  await queue.release(task.id);
  expect(await jobs()).toBe(0);
  expect(runner.executed).toEqual([task.id]);
});

test("I13: an hour without Redis leaves no pile of questions for its return", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  cleanup.defer(() => void vi.useRealTimers());
  const port = await freePort();
  const queue = cleanup.use(openRunnerQueue(`redis://127.0.0.1:${port}`, undefined, quiet));
  const task = vmTask();
  const answer = queue.follow(assignment(task), never);
  vi.advanceTimersByTime(60 * 60_000);
  const late = cleanup.use(await startRedis(port));
  cleanup.use(startRunner(late.url));
  expect(await answer).toEqual(vmGone(task));
  const asking = new Redis(late.url);
  cleanup.defer(() => asking.disconnect());
  const calls = /^cmdstat_time:calls=(\d+)/m.exec(await asking.info("commandstats"))?.[1];
  expect(Number(calls)).toBeLessThan(10);
});

test("a task that was finished while nobody watched is not done again: its job holds the answer and the events", async () => {
  const runner = cleanup.use(
    startRunner(redis.url, async (task, job) => {
      await job.updateProgress({ events: [eventOf(task, 1), eventOf(task, 2)] });
      return vmGone(task);
    }),
  );
  const task = vmTask();
  await place().follow(assignment(task), never);
  const assigned = assignment(task);
  expect(await place().follow(assigned, never)).toEqual(vmGone(task));
  expect(assigned.events.map(({ seq }) => seq)).toEqual([1, 2]);
  expect(runner.executed).toEqual([task.id]);
});

test("a Redis that lost its data gets the task again", async () => {
  const queue = place();
  const task = vmTask();
  const following = queue.follow(assignment(task), never);
  while ((await jobs()) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await client.flushall();
  const runner = cleanup.use(startRunner(redis.url));
  expect(await following).toEqual(vmGone(task));
  expect(runner.executed).toEqual([task.id]);
});

test("a Redis that comes late is waited for", async () => {
  const late = await startRedis();
  const { port } = late;
  await late[Symbol.asyncDispose]();
  const queue = cleanup.use(openRunnerQueue(`redis://127.0.0.1:${port}`, undefined, quiet));
  const task = vmTask();
  const following = queue.follow(assignment(task), never);
  await expect(queue.ping()).rejects.toThrow("Redis does not answer");
  const again = cleanup.use(await startRedis(port));
  cleanup.use(startRunner(again.url));
  expect(await following).toEqual(vmGone(task));
});

test("a job that failed is answered with the failure it names, or without one as internal", async () => {
  const told = failure("quota_exceeded", "No more disks in this zone.");
  cleanup.use(
    startRunner(redis.url, async (task) => {
      throw new Error(task.generation === 1 ? JSON.stringify(told) : "a secret of the runner");
    }),
  );
  const queue = place();
  const outcome = (answer: Answer) => (answer.outcome === "failed" ? answer.failure : undefined);
  expect(outcome(await queue.follow(assignment(vmTask()), never))).toEqual(told);
  const other = outcome(await queue.follow(assignment({ ...vmTask(), generation: 2 }), never));
  expect(other?.code).toBe("internal");
  expect(other?.message).not.toContain("secret");
});

test("a task that nobody has begun is taken back whole; one that is in work is not", async () => {
  const queue = place();
  const waiting = vmTask();
  const stop = new AbortController();
  const following = queue.follow(assignment(waiting), stop.signal).catch(() => "stopped");
  while ((await jobs()) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(await queue.withdraw(waiting.id)).toBe(true);
  expect(await jobs()).toBe(0);
  stop.abort();
  expect(await following).toBe("stopped");

  const gate = Promise.withResolvers<void>();
  const runner = cleanup.use(
    startRunner(redis.url, async (task) => {
      await gate.promise;
      return vmGone(task);
    }),
  );
  const active = vmTask();
  const answer = queue.follow(assignment(active), never);
  while (runner.executed.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(await queue.withdraw(active.id)).toBe(false);
  gate.resolve();
  expect(await answer).toEqual(vmGone(active));
});

test("the runner is told of a task that is not wanted any more, by a message and by a mark that goes by itself", async () => {
  const queue = place();
  const heard: string[] = [];
  const subscriber = new Redis(redis.url);
  cleanup.defer(() => subscriber.disconnect());
  subscriber.on("message", (_channel, id: string) => void heard.push(id));
  await subscriber.subscribe(CANCELLED_CHANNEL);
  const gate = Promise.withResolvers<void>();
  const runner = cleanup.use(
    startRunner(redis.url, async (task) => {
      await gate.promise;
      return vmGone(task);
    }),
  );
  const task = vmTask(60_000);
  const answer = queue.follow(assignment(task), never);
  while (runner.executed.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await queue.withdraw(task.id);
  while (heard.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(heard).toEqual([task.id]);
  const leftMs = await client.pttl(redisKeys.cancelled(task.id));
  expect(leftMs).toBeGreaterThan(5 * 60_000);
  expect(leftMs).toBeLessThan(12 * 60_000);
  gate.resolve();
  await answer;
});

test("work on a task whose answer was stored before a restart is ended too", async () => {
  const gate = Promise.withResolvers<void>();
  const runner = cleanup.use(
    startRunner(redis.url, async (task) => {
      await gate.promise;
      return vmGone(task);
    }),
  );
  const stop = new AbortController();
  const task = vmTask();
  const before = place()
    .follow(assignment(task), stop.signal)
    .catch(() => "stopped");
  while (runner.executed.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  stop.abort();
  await before;
  await place().tidy((id) => id === task.id);
  expect(await client.exists(redisKeys.cancelled(task.id))).toBe(1);
  gate.resolve();
});

test("finished jobs whose answers are stored are removed at the next start, others stay", async () => {
  cleanup.use(startRunner(redis.url));
  const [stored, unknown] = [vmTask(), vmTask()];
  const before = place();
  await before.follow(assignment(stored), never);
  await before.follow(assignment(unknown), never);
  await place().tidy((id) => id === stored.id);
  expect(await jobs()).toBe(1);
});

test("the queue signs in as the user of the URL with the password it is given", async () => {
  await client.call("ACL", "SETUSER", "delegate", "on", ">a-password", "~gs:*", "&*", "+@all");
  const url = redis.url.replace("redis://", "redis://delegate@");
  const signedIn = cleanup.use(openRunnerQueue(url, "a-password", quiet));
  await signedIn.ping();
  cleanup.use(startRunner(redis.url));
  const task = vmTask();
  expect(await signedIn.follow(assignment(task), never)).toEqual(vmGone(task));
  expect(await client.call("CLIENT", "LIST")).toContain("user=delegate");
});
