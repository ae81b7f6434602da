// Runners in processes of their own, on one Redis and one cloud: what a test may kill, pause and start again.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Answer, Answer as AnswerSchema, REDIS_PREFIX, RUNNER_QUEUE, type VmTask } from "@gitspaces/contracts";
import type { PoolSpec } from "@gitspaces/contracts";
import { freePort } from "@gitspaces/daemon/testing";
import { Queue, type Job } from "bullmq";
import type { Redis } from "ioredis";
import { type Cloud, openCloud } from "./cloud.ts";
import { startRedis } from "./redis-server.ts";
import type { Wanted as RunnerWanted } from "./runner-process.ts";
import { runnerSettings } from "./settings.ts";

type Wanted = {
  pool?: Partial<PoolSpec>;
  settings?: Record<string, unknown>;
  cloud?: Parameters<typeof openCloud>[0];
};
export type Member = {
  readonly name: string;
  readonly pid: number;
  readonly isRunning: boolean;
  signal(signal: NodeJS.Signals): void;
  /** Arms a failpoint once. */
  arm(failpoint: string, action: "kill" | "stop" | "error"): void;
  disarm(failpoint: string): void;
  hasPassed(failpoint: string): boolean;
  ended: Promise<unknown>;
};
export type Fleet = AsyncDisposable & {
  cloud: Cloud;
  redis: Redis;
  queue: Queue;
  pool: PoolSpec;
  /** Starts a runner and waits until it serves. The same name again is the same runner after its death. */
  start(name: string, env?: Record<string, string>): Promise<Member>;
  add(task: VmTask): Promise<void>;
  /** The answer that the queue keeps for a task, once it is there. */
  answer(task: VmTask, withinMs: number): Promise<Answer>;
  warm(): Promise<string[]>;
};

const SERVE_MS = 60_000;
const entry = fileURLToPath(new URL("runner-process.ts", import.meta.url));

/** Opens Redis and cloud; no runner yet. */
export async function openFleet(wanted: Wanted = {}): Promise<Fleet> {
  await using opened = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "gs-fleet-"));
  opened.defer(() => rmSync(folder, { recursive: true, force: true }));
  const server = opened.use(await startRedis());
  const cloud = opened.use(await openCloud(wanted.cloud));
  const redis = server.connect();
  const queue = new Queue(RUNNER_QUEUE, { connection: redis, prefix: REDIS_PREFIX });
  opened.defer(async () => await queue.close());
  const pool: PoolSpec = { name: "default", type: "process", warm: 1, max: 4, image: "default", isDefault: true };
  Object.assign(pool, wanted.pool);
  const ports = new Map<string, number>();
  const members: ChildProcess[] = [];
  opened.defer(async () => void (await Promise.all(members.map(ended))));

  async function start(name: string, env: Record<string, string> = {}): Promise<Member> {
    const port = ports.get(name) ?? (await freePort());
    ports.set(name, port);
    const failpoints = join(folder, `failpoints-${name}`);
    mkdirSync(failpoints, { recursive: true });
    const child = fork(entry, {
      env: { ...process.env, GITSPACES_FAILPOINT_FOLDER: failpoints, ...env },
      execArgv: ["--disable-warning=ExperimentalWarning"],
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    members.push(child);
    const over = once(child, "exit");
    const settings = runnerSettings({ folder, redisUrl: server.url, port }, wanted.settings);
    child.send({ name, cloud: cloud.url, pools: [pool], settings } satisfies RunnerWanted);
    await Promise.race([
      once(child, "message", { signal: AbortSignal.timeout(SERVE_MS) }),
      over.then(() => Promise.reject(new Error(`the runner ${name} ended before it served`))),
    ]);
    const { pid } = child;
    if (pid === undefined) throw new Error("a process without an id");
    return {
      name,
      pid,
      get isRunning() {
        return child.exitCode === null && child.signalCode === null;
      },
      signal: (signal) => void child.kill(signal),
      arm: (failpoint, action) => writeFileSync(join(failpoints, failpoint), action),
      disarm: (failpoint) => rmSync(join(failpoints, failpoint), { force: true }),
      hasPassed: (failpoint) => readFileSync(join(failpoints, failpoint), "utf8") === "passed",
      ended: over,
    };
  }

  const close = opened.move();
  return {
    cloud,
    redis,
    queue,
    pool,
    start,
    async add(task) {
      await queue.add(task.type, { task }, { jobId: task.id, removeOnComplete: false, removeOnFail: false });
    },
    async answer(task, withinMs) {
      const deadline = performance.now() + withinMs;
      while (performance.now() < deadline) {
        const job = (await queue.getJob(task.id)) as Job | undefined;
        const state = await job?.getState();
        if (state === "completed")
          return AnswerSchema.parse(job?.returnvalue ?? (await queue.getJob(task.id))?.returnvalue);
        if (state === "failed") throw new Error(`the queue gave the task up: ${job?.failedReason}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      throw new Error(`no answer for ${task.type} of ${task.gitspaceId} within ${withinMs / 1_000} s`);
    },
    warm: async () => await redis.zrange("gs:pool:default:warm", "0", "-1"),
    [Symbol.asyncDispose]: async () => await close.disposeAsync(),
  };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const over = once(child, "exit");
  child.kill("SIGKILL");
  await over;
}
