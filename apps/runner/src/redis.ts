// The runner's Redis: reached with its own user, and refused when it could lose or evict what it holds.
import { readSecret } from "@gitspaces/daemon";
import { parseRedisUrl, REDIS_FACTS, type RedisDurability, refuseUnfitRedis } from "@gitspaces/daemon/redis";
import { fail } from "@gitspaces/contracts";
import { Redis } from "ioredis";

type Options = { redisUrl: string; redisPasswordFile?: string | undefined; signal: AbortSignal; deadlineMs?: number };
const START_DEADLINE_MS = 60_000;
/** Longer than the longest wait that BullMQ asks for (10 s): a connection that is silent for more is dead without saying so. */
const SILENT_MS = 15_000;

/**
 * Connects, waiting for a Redis that is not up yet. Later outages are waited out by the connection itself.
 * @throws {FailureError} `denied` for a wrong password, `timeout` when nobody answered before the deadline (milliseconds).
 */
export async function openRedis({
  redisUrl,
  redisPasswordFile,
  signal,
  deadlineMs = START_DEADLINE_MS,
}: Options): Promise<Redis> {
  const password = redisPasswordFile === undefined ? undefined : readSecret(redisPasswordFile);
  const redis = new Redis({
    ...parseRedisUrl(redisUrl, password),
    socketTimeout: SILENT_MS,
    // BullMQ waits on its commands for as long as an outage lasts.
    maxRetriesPerRequest: null,
    retryStrategy: (times) => Math.min(times * 50, 1_000),
    sentinelRetryStrategy: (times) => Math.min(times * 50, 1_000),
    // A master that was demoted says so; the connection then asks the sentinels for the present one.
    reconnectOnError: (error) => (error.message.startsWith("READONLY") ? 2 : false),
  });
  try {
    await ready(
      redis,
      redisUrl.replace(/^.*?:\/\/(?:[^@/]*@)?/, ""),
      AbortSignal.any([signal, AbortSignal.timeout(deadlineMs)]),
    );
  } catch (error) {
    redis.disconnect();
    throw error;
  }
  return redis;
}

async function ready(redis: Redis, where: string, signal: AbortSignal): Promise<void> {
  let last: Error | undefined;
  // Stays for the life of the connection: an `error` without a listener would be printed; the outcome is seen by commands.
  redis.on("error", (error: Error) => (last = error));
  await new Promise<void>((resolve, reject) => {
    redis.once("ready", resolve);
    redis.on("error", (cause: Error) => {
      if (/WRONGPASS|NOAUTH|NOPERM/.test(cause.message)) {
        reject(fail("denied", `Redis at ${where} refused the runner's user or password: ${cause.message}`, { cause }));
      }
    });
    const give = () =>
      reject(
        fail(
          "timeout",
          `Redis at ${where} did not answer: ${last?.message ?? "no connection"}. Start it or correct GITSPACES_REDIS_URL.`,
          { cause: last },
        ),
      );
    if (signal.aborted) give();
    signal.addEventListener("abort", give, { once: true });
  });
}

/**
 * Refuses a Redis that is too old or evicts keys (always), and one that forgets on a restart (unless somebody vouches for it).
 * @throws {FailureError} `unsupported` with the setting that cures it.
 */
export async function checkRedis(redis: Redis, durability: RedisDurability): Promise<void> {
  const sections = await Promise.all(REDIS_FACTS.map(async (section) => await redis.info(section)));
  refuseUnfitRedis(sections.join("\n"), durability);
}
