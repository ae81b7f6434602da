// The runner's canary: a job that says nothing goes through the queue and this very worker, and leaves no trace.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type Answer, REDIS_PREFIX, RUNNER_QUEUE } from "@gitspaces/contracts";
import { type Canary, startCanary } from "@gitspaces/daemon";
import { type Job, Queue, type Worker } from "bullmq";
import type { Redis } from "ioredis";

const CANARY = "canary";
/** Another runner may have been faster; then it is sent again. */
const AGAIN_MS = 1_000;

type Options = {
  redis: Redis;
  worker: Worker<unknown, Answer>;
  /** Whether the worker takes nothing because all its places are taken, which is no fault. */
  isFull: () => boolean;
};

export function isCanary(job: Job): boolean {
  return job.name === CANARY;
}

/** Begins at once. The check fails when jobs are added but this worker does not finish them. */
export function startQueueCanary({ redis, worker, isFull }: Options): Canary {
  const queue = new Queue(RUNNER_QUEUE, { connection: redis, prefix: REDIS_PREFIX });
  queue.on("error", () => undefined);
  // One id for all of them: however long nobody takes it, there is one in the queue.
  const jobId = `${CANARY}-${randomUUID()}`;
  let back = Promise.withResolvers<boolean>();
  const onCompleted = (job: Job) => job.id === jobId && back.resolve(true);
  worker.on("completed", onCompleted);

  const canary = startCanary({
    what: "a canary job through the task queue",
    async trip(signal) {
      while (!signal.aborted && !isFull()) {
        back = Promise.withResolvers();
        // First in the queue, so that ten thousand tasks before it say nothing about the worker.
        await queue.add(CANARY, {}, { jobId, lifo: true, removeOnComplete: true, removeOnFail: true });
        const late = new AbortController();
        const isBack = await Promise.race([back.promise, sleep(AGAIN_MS, false, { signal: late.signal })]);
        late.abort();
        if (isBack) return;
      }
      signal.throwIfAborted();
    },
  });
  return {
    check: canary.check,
    async [Symbol.asyncDispose]() {
      worker.off("completed", onCompleted);
      await canary[Symbol.asyncDispose]();
      // The connection is shared and stays; a Redis that is away would keep us waiting.
      void queue.close().catch(() => undefined);
    },
  };
}
