// A whole runner on its own Redis, with the fake provider, as tests drive it: tasks go in by the queue, answers come out.
import { randomBytes, randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "@gitspaces/daemon/testing";
import {
  type Answer,
  type PoolSpec,
  REDIS_PREFIX,
  RUNNER_QUEUE,
  Answer as AnswerSchema,
  type VmTask,
} from "@gitspaces/contracts";
import { createLog } from "@gitspaces/daemon";
import { Queue, QueueEvents } from "bullmq";
import type { Redis } from "ioredis";
import { RunnerConfig } from "../config.ts";
import { type Runner, startRunner } from "../runner.ts";
import { fakeProvider, type FakeProvider } from "./fake-provider.ts";
import { type RedisServer, startRedis } from "./redis-server.ts";

type Wanted = {
  pool?: Partial<PoolSpec>;
  provider?: Parameters<typeof fakeProvider>[0];
  vmStartMs?: number;
  sweepMs?: number;
};

export type RunnerBench = AsyncDisposable & {
  runner: Runner;
  provider: FakeProvider;
  redis: Redis;
  server: RedisServer;
  queue: Queue;
  pool: PoolSpec;
  config: RunnerConfig;
  /** Puts the task on the queue and waits for its answer. */
  run: (task: VmTask) => Promise<Answer>;
  /** Stops the runner and starts another on the same records and VMs; `between` happens while none runs. */
  restart: (between?: () => Promise<unknown>) => Promise<void>;
  /** Waits until it is so, or fails. */
  until: (what: string, isSo: () => Promise<boolean> | boolean) => Promise<void>;
  warm: () => Promise<string[]>;
};

/** Opens everything; the pool begins to fill. */
export async function openBench(wanted: Wanted = {}): Promise<RunnerBench> {
  await using opened = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "gs-runner-"));
  opened.defer(() => rmSync(folder, { recursive: true, force: true }));
  const server = opened.use(await startRedis());
  const provider = opened.use(fakeProvider(wanted.provider));
  const joinToken = randomBytes(24).toString("hex");
  writeFileSync(join(folder, "token"), joinToken);
  writeFileSync(join(folder, "gateway-token"), randomBytes(24).toString("hex"));
  writeFileSync(
    join(folder, "keys.json"),
    JSON.stringify({ keys: [{ kty: "OKP", crv: "Ed25519", x: "AA", kid: "one" }] }),
  );
  const port = await freePort();
  const config = RunnerConfig.parse({
    dataFolder: folder,
    installation: "local-test",
    redisUrl: server.url,
    poolFile: join(folder, "pool.yml"),
    imagesFolder: folder,
    isolation: "none",
    enrolListen: `127.0.0.1:${port}`,
    enrolUrl: `https://127.0.0.1:${port}`,
    controlPlaneKeysFile: join(folder, "keys.json"),
    delegateEnrolTokenFile: join(folder, "token"),
    gatewayEnrolTokenFile: join(folder, "gateway-token"),
    vmStartMs: wanted.vmStartMs ?? 20_000,
    sweepMs: wanted.sweepMs ?? 60_000,
  });
  const pool: PoolSpec = {
    name: "default",
    type: "process",
    warm: 1,
    max: 4,
    image: "default",
    isDefault: true,
    ...wanted.pool,
  };
  const log = createLog("runner", "silent");
  const start = async () =>
    await startRunner({ config, pools: [pool], provider, log, signal: new AbortController().signal });

  const bench = { runner: await start() };
  opened.defer(async () => await bench.runner[Symbol.asyncDispose]());
  const redis = server.connect();
  const queue = new Queue(RUNNER_QUEUE, { connection: redis, prefix: REDIS_PREFIX });
  opened.defer(async () => await queue.close());
  const answers = new QueueEvents(RUNNER_QUEUE, { connection: server.connect(), prefix: REDIS_PREFIX });
  opened.defer(async () => await answers.close());
  await answers.waitUntilReady();
  answers.setMaxListeners(0);
  queue.setMaxListeners(0);

  const until = async (what: string, isSo: () => Promise<boolean> | boolean) => {
    const deadline = performance.now() + 12_000;
    while (!(await isSo())) {
      if (performance.now() > deadline) throw new Error(`it did not happen: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
  };
  const close = opened.move();
  return {
    provider,
    redis,
    server,
    queue,
    pool,
    config,
    until,
    get runner() {
      return bench.runner;
    },
    async run(task) {
      const job = await queue.add(
        task.type,
        { task },
        { jobId: task.id, removeOnComplete: false, removeOnFail: false },
      );
      return AnswerSchema.parse(await job.waitUntilFinished(answers, 14_000));
    },
    async restart(between) {
      await bench.runner[Symbol.asyncDispose]();
      await between?.();
      bench.runner = await start();
    },
    warm: async () => await redis.zrange("gs:pool:default:warm", "0", "-1"),
    [Symbol.asyncDispose]: async () => await close.disposeAsync(),
  };
}

/** A `vm.provision` for a Gitspace; the home disk has its id. */
export function provisionTask(
  gitspaceId: string,
  generation = 1,
  leftMs = 30_000,
): Extract<VmTask, { type: "vm.provision" }> {
  return {
    ...envelope(gitspaceId, generation, leftMs),
    type: "vm.provision",
    data: { pool: "default", homeDisk: gitspaceId },
  };
}
export function stopTask(gitspaceId: string, generation: number): VmTask {
  return { ...envelope(gitspaceId, generation), type: "vm.stop", data: { policy: "release" } };
}
export function destroyTask(gitspaceId: string, generation: number, homeDisk: string | null = gitspaceId): VmTask {
  return { ...envelope(gitspaceId, generation), type: "vm.destroy", data: { homeDisk } };
}
export function statusTask(gitspaceId: string, generation: number): VmTask {
  return { ...envelope(gitspaceId, generation), type: "vm.status", data: {} };
}

function envelope(gitspaceId: string, generation: number, leftMs = 30_000) {
  return { v: 1 as const, id: randomUUID(), gitspaceId, generation, deadline: Date.now() + leftMs };
}
