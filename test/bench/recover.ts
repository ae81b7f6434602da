// How long a task waits for a runner when the one that worked on it is killed. Beside it, a BullMQ worker with its defaults,
// killed at the same moment and as promptly followed by another.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { startRedisServer } from "@gitspaces/daemon/testing";
import { Queue, QueueEvents } from "bullmq";
import { openHouse, until } from "../faults/house.ts";
import { person } from "../faults/life.ts";
import { percentile, rounded } from "./figures.ts";

/** As many tasks are under way as the runner is killed. */
const AT_ONCE = 4;
const RESTART_MS = 750;
const CONTENDER_PATIENCE_MS = 150_000;

/** Seconds from the kill until the task is answered, for `runs` tasks of ours; a quarter as many of the contender's. */
export async function recover(runs: number): Promise<Record<string, number>> {
  const rounds = Math.max(1, Math.round(runs / AT_ONCE));
  await using house = await openHouse({ pool });
  const url = house.repository("recover", { "README.md": "# Recover\n" });
  const someone = person(house);
  const ours: number[] = [];
  const contenders: Promise<number>[] = [];
  for (let round = 0; round < rounds; round++) {
    await house.ready("runner");
    const ids = await Promise.all(Array.from({ length: AT_ONCE }, async () => await someone.create(url)));
    const point = points[round % points.length] as string;
    house.arm(point);
    contenders.push(killedContender());
    for (const id of ids) await someone.ask(id, "start");
    await until(`${point} is passed`, 30_000, () => house.hasPassed(point));
    const killedAt = performance.now();
    ours.push(
      ...(await Promise.all(
        ids.map(async (id) => {
          const { state, reason } = await someone.outcome(id, 120_000);
          if (state !== "running") throw new Error(`${id} is ${state} after the kill: ${reason}`);
          return (performance.now() - killedAt) / 1_000;
        }),
      )),
    );
    for (const id of ids) await someone.ask(id, "delete");
  }
  const theirs = await Promise.all(contenders);
  return {
    p50_s: rounded(percentile(ours, 0.5)),
    p99_s: rounded(percentile(ours, 0.99)),
    contender_p50_s: rounded(percentile(theirs, 0.5)),
    contender_p99_s: rounded(percentile(theirs, 0.99)),
    tasks: ours.length,
    contender_tasks: theirs.length,
  };
}

const points = ["runner.afterReserve", "runner.afterClaimLabel", "runner.afterIdentityHanded", "runner.beforeAnswer"];

const pool = `version: "1"
instances:
  - name: default
    default: true
    type: process
    warm: ${AT_ONCE}
    max: 20
`;

/** Seconds until a second worker has done the job of a first that was killed while it worked. */
async function killedContender(): Promise<number> {
  await using redis = await startRedisServer();
  const connection = { host: "127.0.0.1", port: redis.port, maxRetriesPerRequest: null };
  const queue = new Queue("contender", { connection });
  const events = new QueueEvents("contender", { connection });
  await events.waitUntilReady();
  const first = await worker(redis.port, "hang");
  let second: ChildProcess | undefined;
  try {
    const job = await queue.add("job", {});
    await once(first, "message");
    first.kill("SIGKILL");
    const killedAt = performance.now();
    await new Promise((resolve) => setTimeout(resolve, RESTART_MS));
    second = await worker(redis.port, "work");
    await job.waitUntilFinished(events, CONTENDER_PATIENCE_MS);
    return (performance.now() - killedAt) / 1_000;
  } finally {
    first.kill("SIGKILL");
    second?.kill("SIGKILL");
    await Promise.all([queue.close(), events.close()]);
  }
}

/** A worker with BullMQ's own settings. It tells when a job has begun. */
async function worker(port: number, manner: "hang" | "work"): Promise<ChildProcess> {
  const child = fork(new URL("plain-worker.ts", import.meta.url), [String(port), manner]);
  await once(child, "spawn");
  return child;
}
