// Tasks that nobody wants any more: whoever queued one leaves a mark and says so, and the work in hand ends at once.
import { CANCELLED_CHANNEL, fail, redisKeys } from "@gitspaces/contracts";
import type { Logger } from "@gitspaces/daemon";
import type { Redis } from "ioredis";

export type Cancellations = AsyncDisposable & {
  /** A signal that aborts with `cancelled` when the task is no longer wanted; at once when that was said before. */
  watch(taskId: string): Promise<Disposable & { signal: AbortSignal }>;
};

/** A connection that only listens may be dead for many minutes without anybody noticing. */
const LOOK_EVERY_MS = 5_000;

/** Listens on a connection of its own. What is said while the connection is away is looked up when it is back, or soon. */
export function listenForCancellations(redis: Redis, log: Logger): Cancellations {
  const watched = new Map<string, AbortController>();
  const end = (taskId: string) =>
    watched.get(taskId)?.abort(fail("cancelled", "The task was cancelled before it was done."));

  async function look(taskId: string): Promise<void> {
    if ((await redis.exists(redisKeys.cancelled(taskId))) === 1) end(taskId);
  }
  function lookAtAll(): void {
    for (const taskId of watched.keys())
      look(taskId).catch((err: unknown) => log.warn({ err, taskId }, "could not look whether a task is still wanted"));
  }

  const subscriber = redis.duplicate();
  subscriber.on("error", (error: Error) => log.debug({ reason: error.message }, "redis, cancellations"));
  subscriber.on("message", (_channel, taskId) => end(taskId));
  subscriber.on("ready", () => {
    subscriber.subscribe(CANCELLED_CHANNEL).then(lookAtAll, (err: unknown) => log.warn({ err }, "not subscribed"));
  });

  const looking = setInterval(() => {
    if (redis.status === "ready") lookAtAll();
  }, LOOK_EVERY_MS);

  return {
    async watch(taskId) {
      const controller = new AbortController();
      watched.set(taskId, controller);
      await look(taskId);
      const forget = () => {
        if (watched.get(taskId) === controller) watched.delete(taskId);
      };
      return { signal: controller.signal, [Symbol.dispose]: forget };
    },
    async [Symbol.asyncDispose]() {
      clearInterval(looking);
      await subscriber.quit().catch(() => subscriber.disconnect());
    },
  };
}
