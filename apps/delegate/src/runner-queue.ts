// Tasks for the runner: one job per task on a BullMQ queue. The job itself is the truth; events only say when to look at it.
import { setTimeout as sleep } from "node:timers/promises";
import {
  Answer,
  CANCELLED_CHANNEL,
  Failure,
  failedAnswer,
  failure,
  REDIS_PREFIX,
  redisKeys,
  RUNNER_QUEUE,
  RunnerProgress,
  type VmTask,
} from "@gitspaces/contracts";
import { type Clock, type Logger, peerClock, systemClock, withFailpoints } from "@gitspaces/daemon";
import { parseRedisUrl, REDIS_FACTS, refuseUnfitRedis } from "@gitspaces/daemon/redis";
import { type Job, Queue } from "bullmq";
import { Redis } from "ioredis";
import { markPoints, queuePoints } from "./failpoints.ts";
import { watchJobs } from "./job-events.ts";
import { jobIds } from "./job-ids.ts";
import type { Assignment, Workplace } from "./workplace.ts";

/** A look at every awaited job now and then, for events that were missed and for a Redis that lost its data. */
const LOOK_EVERY_MS = 5_000;
/** So long after its deadline a task that is not wanted any more may still be in the queue of a runner that was away. */
const MARK_KEPT_MS = 10 * 60_000;
/** A finished job that nobody fetches, because its delegate is gone for good, is not kept for ever. */
const KEPT = { age: 7 * 24 * 60 * 60 };

export type RunnerQueue = Workplace<VmTask> & {
  /** @throws when Redis does not answer, is too old, or may evict what is queued. */
  ping(): Promise<void>;
  /** Removes jobs whose answers are stored, left by a stop between the two; from then on also after each loss of Redis. */
  tidy(isStored: (taskId: string) => boolean): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};
type Awaited = {
  assignment: Assignment<VmTask>;
  withdrawn: boolean;
  done(answer: Answer): void;
  drop(reason: Error): void;
};

/** Connects to Redis in the background; until it is there, tasks wait. `clock` is the one that deadlines are told by. */
export function openRunnerQueue(
  url: string,
  password: string | undefined,
  log: Logger,
  clock: Clock = systemClock,
): RunnerQueue {
  const slower = (times: number) => Math.min(50 * 2 ** Math.min(times, 6), 2_000);
  const redis = new Redis({
    ...parseRedisUrl(url, password),
    maxRetriesPerRequest: null,
    // A connection that is dead without saying so would keep every task waiting.
    socketTimeout: 10_000,
    retryStrategy: slower,
    sentinelRetryStrategy: slower,
    // A master that was demoted says so; the connection then asks the sentinels for the present one.
    reconnectOnError: (error) => (error.message.startsWith("READONLY") ? 2 : false),
  });
  redis.on("error", (error: Error) => log.debug({ reason: error.message }, "redis"));
  const queue = withFailpoints(
    "delegate",
    new Queue(RUNNER_QUEUE, { connection: redis, prefix: REDIS_PREFIX }),
    queuePoints,
  );
  queue.on("error", (error) => log.debug({ reason: error.message }, "runner queue"));

  const stop = new AbortController();
  const awaited = new Map<string, Awaited>();
  const redisClock = peerClock({ peer: "Redis", log });
  const hearRedis = () => {
    const heard = redis
      .time()
      .then(([seconds, micros]) => redisClock.hear(Number(seconds) * 1_000 + Number(micros) / 1_000));
    heard.catch(() => undefined);
  };
  redis.on("ready", hearRedis);
  /** While Redis is away nothing is asked: it would all be asked at once on its return, which asks anyway. */
  const regularly = (ask: () => void) => setInterval(() => redis.status === "ready" && ask(), LOOK_EVERY_MS);
  const hearing = regularly(hearRedis);
  const lookAtAll = () => {
    for (const id of awaited.keys()) lookSoon(id);
  };
  let isStoredIn: ((taskId: string) => boolean) | undefined;
  const marks = withFailpoints("delegate", redis, markPoints);
  /** Has the runner end what it does for a task: the mark is for one that looks later, the message for one at work. */
  async function cancel(id: string, deadline = clock.now()): Promise<void> {
    const keptMs = Math.max(0, Math.round(deadline - clock.now())) + MARK_KEPT_MS;
    await marks.set(redisKeys.cancelled(id), "1", "PX", keptMs);
    await marks.publish(CANCELLED_CHANNEL, id);
  }
  /** A Redis that lost its last writes may offer jobs again whose answers are stored. */
  async function tidyJobs(): Promise<void> {
    const isOver = (id: string) => !awaited.has(id) && isStoredIn?.(id) === true;
    for (const id of await jobIds(queue, ["completed", "failed", "waiting", "delayed"]))
      if (isOver(id)) await queue.remove(id);
    for (const id of await jobIds(queue, ["active"])) if (isOver(id)) await cancel(id);
  }
  const tidyAgain = () => {
    const tidying = isStoredIn === undefined ? Promise.resolve() : tidyJobs();
    tidying.catch((error: unknown) => log.debug({ reason: (error as Error).message }, "jobs were not tidied"));
  };
  redis.on("ready", tidyAgain);
  redis.on("ready", lookAtAll);
  const looking = regularly(lookAtAll);
  const watching = watchJobs(redis.duplicate({ socketTimeout: 15_000 }), {
    signal: stop.signal,
    log,
    onStart: lookAtAll,
    onProgress(id, progress) {
      const waiter = awaited.get(id);
      if (waiter !== undefined) takeProgress(waiter, progress);
    },
    onEnd(id) {
      if (awaited.has(id)) lookSoon(id);
    },
  });

  async function put({ task, raw }: Assignment<VmTask>): Promise<void> {
    // The runner's clock and the control plane's may differ; both can be compared with that of Redis.
    const deadlineByRedis = Math.max(1, Math.round(redisClock.now() + task.deadline - clock.now()));
    await queue.add(
      task.type,
      { task: raw, deadlineByRedis },
      { jobId: task.id, removeOnComplete: KEPT, removeOnFail: KEPT },
    );
  }

  function lookSoon(id: string): void {
    look(id).catch((error: unknown) => {
      if (!stop.signal.aborted) log.warn({ taskId: id, reason: (error as Error).message }, "could not look at a job");
    });
  }

  async function look(id: string): Promise<void> {
    const job = (await queue.getJob(id)) as Job | undefined;
    const waiter = awaited.get(id);
    if (waiter === undefined) return;
    if (job === undefined) {
      if (waiter.withdrawn) return waiter.drop(new Error("the job was taken back"));
      log.warn({ taskId: id }, "the job is not in the queue any more, putting it there again");
      return put(waiter.assignment);
    }
    takeProgress(waiter, job.progress);
    if (job.finishedOn !== undefined) waiter.done(answerOf(job, waiter.assignment.task, log));
  }

  function takeProgress(waiter: Awaited, progress: unknown): void {
    const read = RunnerProgress.safeParse(progress);
    const after = waiter.assignment.lastEvent();
    const fresh = read.success ? read.data.events.filter((event) => event.seq > after) : [];
    if (fresh.length > 0) waiter.assignment.onEvents(fresh);
  }

  return {
    async follow(assignment, signal) {
      signal.throwIfAborted();
      const { id } = assignment.task;
      const { promise, resolve, reject } = Promise.withResolvers<Answer>();
      const abort = () => reject(signal.reason as Error);
      signal.addEventListener("abort", abort, { once: true });
      awaited.set(id, { assignment, withdrawn: false, done: resolve, drop: reject });
      put(assignment)
        .then(() => look(id))
        .catch((error: unknown) =>
          log.warn({ taskId: id, reason: (error as Error).message }, "could not queue a task"),
        );
      return await promise.finally(() => {
        awaited.delete(id);
        signal.removeEventListener("abort", abort);
      });
    },

    async withdraw(id) {
      const waiter = awaited.get(id);
      if (waiter !== undefined) waiter.withdrawn = true;
      await cancel(id, waiter?.assignment.task.deadline);
      const state = await queue.getJobState(id);
      if (!["waiting", "delayed", "prioritized", "unknown"].includes(state)) return false;
      if (state !== "unknown" && (await queue.remove(id)) === 0) return false;
      return true;
    },

    async release(id) {
      await queue.remove(id);
    },

    async tidy(isStored) {
      isStoredIn = isStored;
      await tidyJobs();
    },

    async ping() {
      const asked = Promise.all(REDIS_FACTS.map(async (section) => await redis.info(section)));
      const answer = await Promise.race([asked, sleep(2_000, undefined, { ref: false })]);
      if (answer === undefined) throw new Error("Redis does not answer");
      // What it forgets on a restart the journal queues again.
      refuseUnfitRedis(answer.join("\n"), "managed");
    },

    async [Symbol.asyncDispose]() {
      clearInterval(looking);
      clearInterval(hearing);
      stop.abort();
      redis.off("ready", lookAtAll);
      redis.off("ready", tidyAgain);
      redis.disconnect();
      await watching;
      await queue.close().catch(() => undefined);
      redis.disconnect();
    },
  };
}

/** The answer in a finished job; a job that failed without one says why in its reason. */
function answerOf(job: Job, task: VmTask, log: Logger): Answer {
  const returned = Answer.safeParse(job.returnvalue);
  if (returned.success && returned.data.taskId === task.id) return returned.data;
  const reason = typeof job.failedReason === "string" ? job.failedReason : "";
  const told = Failure.safeParse(readJson(reason));
  if (told.success) return failedAnswer(task, told.data);
  log.error({ taskId: task.id, reason }, "the runner finished a task without a readable answer");
  return failedAnswer(
    task,
    failure("internal", "The runner finished this task without a readable answer; its log has the cause."),
  );
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
