// Readiness says what is so: within 15 s of the moment when work can not get through, whoever is concerned says it and why.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { REDIS_PREFIX, RUNNER_QUEUE } from "@gitspaces/contracts";
import { unready } from "./apart.ts";
import { type Daemon, daemons, type House, openHouse } from "./house.ts";
import { connect } from "./scene.ts";

const PROMISED_MS = 15_000;
/** The test waits longer, so that it can say how late it was. */
const PATIENCE_MS = 40_000;
const queue = `${REDIS_PREFIX}:${RUNNER_QUEUE}`;

let house: House;

beforeAll(async () => {
  house = await openHouse();
});
afterAll(async () => await house?.[Symbol.asyncDispose]());

async function allReady(): Promise<void> {
  for (const daemon of daemons) await house.ready(daemon, PATIENCE_MS);
}

/** How long it took until each had told its reason, milliseconds. */
async function tellMs(told: [Daemon, RegExp][]): Promise<number> {
  const tookMs = await Promise.all(
    told.map(async ([daemon, reason]) => await unready(house, daemon, reason, PATIENCE_MS)),
  );
  return Math.max(...tookMs);
}

test("I14: a queue that gives out nothing makes the runner unready, although Redis answers and the process is up", async () => {
  await allReady();
  await using redis = connect(house);
  await redis.hset(`${queue}:meta`, "paused", "1");
  expect(await tellMs([["runner", /canary job through the task queue/]])).toBeLessThan(PROMISED_MS);

  await redis.hdel(`${queue}:meta`, "paused");
  if ((await redis.exists(`${queue}:paused`)) === 1) await redis.rename(`${queue}:paused`, `${queue}:wait`);
  await allReady();
});

test("I14 E4: after FLUSHALL canaries go through the queue again, without a restart", async () => {
  const before = house.pids("runner");
  await using redis = connect(house);
  await redis.flushall();
  // What came back before does not count any more after 12 s.
  await sleep(13_000);
  await allReady();
  expect(house.pids("runner")).toEqual(before);
});

test("I14: a canary leaves nothing in the queue, and there is never more than one", async () => {
  await using redis = connect(house);
  await allReady();
  const jobs = (await redis.keys(`${queue}:canary-*`)).length;
  expect(jobs).toBeLessThanOrEqual(1);
  expect(await redis.zcard(`${queue}:completed`)).toBe(0);
  expect(await redis.zcard(`${queue}:failed`)).toBe(0);
});

test("I14 E6: a control plane that takes requests and answers none is told by delegate and gateway", async () => {
  house.signal("control-plane", "SIGSTOP");
  try {
    const tookMs = await tellMs([
      ["delegate", /control plane has not answered/],
      ["gateway", /control plane for \d+ s/],
    ]);
    expect(tookMs).toBeLessThan(PROMISED_MS);
  } finally {
    house.signal("control-plane", "SIGCONT");
  }
  await allReady();
});

test("I14 E6: a Redis that accepts connections and answers nothing is told by runner, delegate and gateway", async () => {
  house.signal("redis", "SIGSTOP");
  try {
    const any = /Redis|canary|no answer/;
    const tookMs = await tellMs([
      ["runner", any],
      ["delegate", any],
      ["gateway", any],
    ]);
    expect(tookMs).toBeLessThan(PROMISED_MS);
  } finally {
    house.signal("redis", "SIGCONT");
  }
  await allReady();
});
