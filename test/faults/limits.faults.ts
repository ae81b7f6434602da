// Much more than there is room for: nobody loads it all, what is behind it still comes, and afterwards everything is as before.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Gitspace, REDIS_PREFIX, redisKeys, RUNNER_QUEUE } from "@gitspaces/contracts";
import { type JobsOptions, Queue } from "bullmq";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { daemons, type Daemon, type House, openHouse, until } from "./house.ts";
import { type Figures, figuresOf, memoryOf } from "./process-figures.ts";

const MANY = 50_000;
const PAGE = 2_500;

let house: House;
let redis: Redis;
let queue: Queue;
let ids: [string, string];
beforeAll(async () => {
  house = await openHouse({ env: { GITSPACES_LOG_LEVEL: "warn" } });
  const password = readFileSync(join(house.data, "secrets", "redis-local-password"), "utf8").trim();
  const port = house.system.portBase + 5;
  redis = new Redis({ host: "127.0.0.1", port, username: "local", password, maxRetriesPerRequest: null });
  queue = new Queue(RUNNER_QUEUE, { connection: redis, prefix: REDIS_PREFIX });
  const url = house.repository("limits", { "README.md": "much" });
  const [one, two] = await Promise.all([house.api.create(url), house.api.create(url)]);
  ids = [one.identifier, two.identifier];
  await Promise.all(ids.map((id) => house.api.stop(id)));
});
afterAll(async () => {
  await queue?.close();
  redis?.disconnect();
  await house?.[Symbol.asyncDispose]();
});

const show = (id: string) => house.api.call<Gitspace>("GET", `gitspaces/${id}`);
const pidOf = (daemon: Daemon): number => house.pids(daemon)[0] ?? 0;

/** Questions for the runner about a Gitspace that is stopped. */
async function fillQueue(id: string, many: number, more: JobsOptions = {}): Promise<void> {
  const { generation } = await show(id);
  const base = { v: 1, gitspaceId: id, generation, deadline: Date.now() + 3_600_000, type: "vm.status", data: {} };
  for (let done = 0; done < many; done += PAGE) {
    const jobs = Array.from({ length: Math.min(PAGE, many - done) }, () => {
      const task = { ...base, id: randomUUID() };
      return { name: task.type, data: { task }, opts: { ...more, jobId: task.id } };
    });
    await queue.addBulk(jobs);
  }
}

const settled = async () =>
  (await Promise.all(ids.map(show))).every(({ state }) => state === "running" || state === "error");

test("E18 I8 I13: two starts behind 50,000 jobs come in their order, and neither runner nor delegate loads what waits", async () => {
  const [, other] = ids;
  const runnerBefore = memoryOf(pidOf("runner"));
  const delegateBefore = memoryOf(pidOf("delegate"));
  await queue.pause();
  await fillQueue(other, MANY);
  await Promise.all(ids.map((id) => house.api.call("POST", `gitspaces/${id}/actions`, { action: "start" })));
  await until("both starts wait behind everything", 30_000, async () => (await queue.getWaitingCount()) >= MANY + 2);

  // A delegate that starts anew looks at what is there, and keeps its memory.
  house.signal("delegate", "SIGKILL");
  await until("the delegate is back", 60_000, () => house.pids("delegate").some((pid) => memoryOf(pid).nowMb > 0));
  await house.ready("delegate", 60_000);
  await sleep(2_000);
  const idle = await figuresOf(pidOf("runner"));
  const began = performance.now();
  await queue.resume();
  await until("half of it is done", 240_000, async () => (await queue.getWaitingCount()) < MANY / 2);
  const busy = await figuresOf(pidOf("runner"));
  const waitingThen = await queue.getWaitingCount();
  await until("both starts are over", 240_000, settled);
  const tookMs = performance.now() - began;
  const runnerAfter = memoryOf(pidOf("runner"));
  const delegateAfter = memoryOf(pidOf("delegate"));
  const waiting = await queue.getWaitingCount();
  const streamLength = await redis.xlen(`${REDIS_PREFIX}:${RUNNER_QUEUE}:events`);
  const megabytes = (before: { highestMb: number }, after: { highestMb: number }) =>
    `${before.highestMb.toFixed(0)} → ${after.highestMb.toFixed(0)} MB`;
  console.log(
    `${MANY} jobs and two starts in ${(tookMs / 1_000).toFixed(1)} s; at their highest: runner ` +
      `${megabytes(runnerBefore, runnerAfter)}, delegate ${megabytes(delegateBefore, delegateAfter)}; ` +
      `${streamLength} events kept; the runner's heap with ${waitingThen} waiting: ` +
      `${idle.heapMb.toFixed(1)} → ${busy.heapMb.toFixed(1)} MB`,
  );
  // In time, or late with a word about the deadline: never something else, never for ever.
  const ends = (await Promise.all(ids.map(show))).map(({ state, instance }) => instance?.error_code ?? state);
  expect(ends.filter((end) => !["running", "timeout"].includes(end))).toEqual([]);
  // In their order: what was there before them is done.
  expect(waiting).toBeLessThan(100);
  // What lives is what counts: under load the rest of its memory is rubbish that was not yet collected.
  expect(waitingThen).toBeGreaterThan(1_000);
  expect(busy.heapMb - idle.heapMb).toBeLessThan(15);
  expect(runnerAfter.highestMb - runnerBefore.highestMb).toBeLessThan(250);
  expect(delegateAfter.highestMb - delegateBefore.highestMb).toBeLessThan(60);
  expect(streamLength).toBeLessThan(12_000);
  await until("every job has its one answer", 60_000, async () => (await queue.getCompletedCount()) >= MANY);
  expect(await queue.getFailedCount()).toBe(0);
  while ((await queue.clean(0, 10_000, "completed")).length > 0);
  await Promise.all(ids.map((id) => house.api.stop(id)));
}, 400_000);

type Census = { daemons: Record<string, Figures>; keys: string[] };

/** Everything is idle: the figures of each daemon, and the Redis keys that no expiry will remove. */
async function census(): Promise<Census> {
  await sleep(8_000);
  const daemonFigures: Record<string, Figures> = {};
  for (const daemon of daemons) daemonFigures[daemon] = await figuresOf(pidOf(daemon));
  const keys = await redis.keys("*");
  const expiring = await Promise.all(keys.map(async (key) => (await redis.pttl(key)) > 0));
  return { daemons: daemonFigures, keys: keys.filter((_, index) => !expiring[index]) };
}

async function health(times: number): Promise<void> {
  for (let index = 0; index < times; index++) await house.api.call("GET", "installation/health");
}

async function cycles(count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    await house.api.start(ids[0]);
    // Each asks the runner about a VM and the agent how it is.
    await health(10);
    await fillQueue(ids[1], 100, { removeOnComplete: true });
    await house.api.stop(ids[0]);
    const id = (await house.api.create(house.repository("short", { "README.md": String(index) }))).identifier;
    await house.api.call("DELETE", `gitspaces/${id}`);
    await until(`${id} is gone`, 60_000, async () => (await redis.hexists(redisKeys.claim(id), "destroyed")) === 1);
    const leftMs = await redis.pttl(redisKeys.claim(id));
    expect(leftMs).toBeGreaterThan(0);
    expect(leftMs).toBeLessThanOrEqual(7 * 86_400_000);
  }
}

test("I13: after hundreds of tasks memory, open files, timers and keys are what they were before", async () => {
  await cycles(3);
  const before = await census();
  // Nearly eight hundred tasks; a start and a stop together are four.
  await cycles(6);
  const after = await census();
  for (const daemon of daemons) {
    const [was, is] = [before.daemons[daemon], after.daemons[daemon]];
    if (was === undefined || is === undefined) throw new Error(`no figures of ${daemon}`);
    console.log(
      `${daemon}: heap ${was.heapMb.toFixed(1)} → ${is.heapMb.toFixed(1)} MB, files ${was.files} → ${is.files}, ` +
        `resources ${was.resources} → ${is.resources}`,
    );
  }
  console.log(`keys that stay: ${before.keys.length} → ${after.keys.length}`);
  const grown = daemons.flatMap((daemon) => {
    const [was, is] = [before.daemons[daemon], after.daemons[daemon]];
    // One socket or timer more or less is a connection that idles a little longer.
    const isMore = (name: keyof Figures, slack: number) => (is?.[name] ?? 0) > 1.05 * (was?.[name] ?? 0) + slack;
    const names = (["heapMb", "files", "resources"] as const).filter((name) => isMore(name, name === "heapMb" ? 0 : 1));
    return names.map((name) => `${name} of ${daemon}: ${was?.[name]} → ${is?.[name]}`);
  });
  expect(grown).toEqual([]);
  expect(after.keys.length).toBeLessThanOrEqual(1.05 * before.keys.length);
}, 300_000);
