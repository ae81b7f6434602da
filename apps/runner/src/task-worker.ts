// The queue's edge: reads a job, does its task before the deadline, and keeps the answer with the job until the delegate has it.
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Answer,
  failedAnswer,
  okAnswer,
  REDIS_PREFIX,
  RUNNER_QUEUE,
  type RunnerJob,
  toFailure,
} from "@gitspaces/contracts";
import { type Clock, failpoint, type Logger } from "@gitspaces/daemon";
import { type Job, WaitingError, Worker } from "bullmq";
import type { Redis } from "ioredis";
import { attempts } from "./attempts.ts";
import { listenForCancellations } from "./cancellations.ts";
import { deadlineSignal, readTask } from "./delivery.ts";
import { LockLostError } from "./lock-lost.ts";
import type { Metrics } from "./metrics.ts";
import { isCanary, startQueueCanary } from "./queue-canary.ts";
import { type Stopwatch, stopwatch } from "./stopwatch.ts";
import { type Emit, taskEvents } from "./task-events.ts";
import type { VmTasks } from "./vm-tasks.ts";

type Collaborators = {
  redis: Redis;
  tasks: VmTasks;
  /** How long a task stays with a runner that says nothing, milliseconds. */
  taskLockMs: number;
  metrics: Metrics;
  clock: Clock;
  log: Logger;
  concurrency?: number;
};
type Delivery = {
  job: Job<unknown, Answer>;
  token: string | undefined;
  read: RunnerJob;
  signal: AbortSignal;
  /** False once the queue has given the task to another. */
  isOurs: () => boolean;
};
export type TaskWorker = AsyncDisposable & { check(): void };

/** A task whose lock ran out is found within this part of the time that a lock lasts. */
const STALLED_PART = 3;
const CONCURRENCY = 16;
/** A runner that dies often is no reason to give up a task; its deadline is. */
const STALLED_OFTEN = 1_000;
const DRAIN_MS = 12_000;
const LEAVE_MS = 15_000;

/** Nobody waits for a canary's result. */
const unread = undefined as unknown as Answer;

class LeavingError extends Error {}

/** Takes tasks until it is disposed; then finishes what it can in 12 s and hands the rest back. */
export function startTaskWorker({
  redis,
  tasks,
  taskLockMs,
  metrics,
  clock,
  log,
  concurrency = CONCURRENCY,
}: Collaborators): TaskWorker {
  const leaving = new AbortController();
  const begun = attempts();
  const cancellations = listenForCancellations(redis, log);
  let inHand = 0;
  // BullMQ gives a signal only to a processor that names it.
  const worker = new Worker<unknown, Answer>(
    RUNNER_QUEUE,
    async (job, token, signal) => {
      if (isCanary(job)) return unread;
      inHand++;
      return await process(job, token, signal).finally(() => void inHand--);
    },
    {
      connection: redis,
      prefix: REDIS_PREFIX,
      concurrency,
      lockDuration: taskLockMs,
      stalledInterval: Math.ceil(taskLockMs / STALLED_PART),
      maxStalledCount: STALLED_OFTEN,
    },
  );
  worker.on("lockRenewalFailed", (jobIds) => {
    for (const id of jobIds) worker.cancelJob(id, "another runner has the task");
  });
  worker.on("error", (err) => log.warn({ err }, "the task queue reports an error"));
  worker.on("failed", (job, err) => log.error({ err, taskId: job?.id }, "a job failed"));

  const canary = startQueueCanary({ redis, worker, isFull: () => inHand >= concurrency });

  async function process(
    job: Job<unknown, Answer>,
    token: string | undefined,
    lost: AbortSignal | undefined,
  ): Promise<Answer> {
    failpoint("runner.afterTaskTaken");
    const read = readTask(job);
    if ("answer" in read) return read.answer;
    const { task, deadlineByRedis = task.deadline } = read;
    using deadline = deadlineSignal(deadlineByRedis - clock.now());
    using cancelled = await cancellations.watch(task.id);
    const ends = [deadline.signal, cancelled.signal, leaving.signal];
    const signal = AbortSignal.any(lost === undefined ? ends : [...ends, lost]);
    const isOurs = () => lost?.aborted !== true;
    try {
      return await answer({ job, token, read, signal, isOurs });
    } catch (error) {
      if (isOurs() && isForTheNext(error)) {
        await job.moveToWait(token);
        throw new WaitingError();
      }
      throw error;
    }
  }

  /** Nothing is wrong with the task: this runner stops, or another had the Gitspace during a pause. */
  function isForTheNext(error: unknown): boolean {
    return leaving.signal.aborted || error instanceof LockLostError;
  }

  async function attempt({ job, read, signal, isOurs }: Delivery, watch: Stopwatch, emit: Emit) {
    await using one = await begun.begin(job, read, signal);
    try {
      return await tasks(read.task, { watch, emit, signal });
    } catch (error) {
      if (isOurs() && isForTheNext(error)) await one.handBack();
      throw error;
    }
  }

  async function answer(delivery: Delivery): Promise<Answer> {
    const { job, token, signal } = delivery;
    const { task } = delivery.read;
    const watch = stopwatch();
    const { emit, flushed } = taskEvents({
      task,
      before: job.progress,
      write: async (progress) => {
        // Whoever has the task now tells its story alone.
        if (token !== undefined && (await job.extendLock(token, taskLockMs)) !== 1) return;
        await job.updateProgress(progress);
        failpoint("runner.afterProgressWritten");
      },
      clock,
      log,
    });
    const about = { taskId: task.id, type: task.type, gitspaceId: task.gitspaceId, generation: task.generation };
    let answered: Answer;
    try {
      signal.throwIfAborted();
      const result = await attempt(delivery, watch, emit);
      answered = { ...okAnswer(task, result, watch.timings()) };
      log.info({ ...about, timings: answered.timings }, "task done");
    } catch (error) {
      // Only a failure with a meaning is an answer; a lost lock or a stopping runner leaves the task to the next delivery.
      const reason: unknown = signal.aborted ? signal.reason : error;
      if ((signal.aborted || reason instanceof LockLostError) && !isFailure(reason)) throw reason;
      answered = failedAnswer(task, toFailure(reason), watch.timings());
      log[answered.outcome === "failed" && answered.failure.code === "internal" ? "error" : "warn"](
        { ...about, err: error, failure: toFailure(reason) },
        "task failed",
      );
    }
    if (task.type === "vm.provision") metrics.claimed(task.data.pool, claimOutcome(answered), answered.timings);
    await flushed();
    failpoint("runner.beforeAnswer");
    return answered;
  }

  return {
    check() {
      if (!worker.isRunning()) throw new Error("the runner takes no tasks");
      canary.check();
    },
    async [Symbol.asyncDispose]() {
      await canary[Symbol.asyncDispose]();
      const late = setTimeout(() => leaving.abort(new LeavingError("the runner is stopping")), DRAIN_MS);
      // Work that heeds no signal is left behind: its lock runs out and another runner takes the task.
      const left = new AbortController();
      await Promise.race([worker.close(), sleep(LEAVE_MS, undefined, { signal: left.signal }).catch(() => undefined)]);
      left.abort();
      clearTimeout(late);
      await cancellations[Symbol.asyncDispose]();
    },
  };
}

function isFailure(reason: unknown): boolean {
  return reason instanceof Error && reason.name === "FailureError";
}

function claimOutcome(answer: Answer): "warm" | "cold" | "failed" {
  if (answer.outcome === "failed") return "failed";
  return answer.result["warm"] === true ? "warm" : "cold";
}
