// The gateway's connections to Redis: it reads routes, hears of changes, and spends sign-in codes.
import type { Logger } from "@gitspaces/daemon";
import { parseRedisUrl, REDIS_FACTS, refuseUnfitRedis } from "@gitspaces/daemon/redis";
import { Redis } from "ioredis";

export type RedisPlace = { url: string; password: string | undefined };

/** Longer than a command may take. A connection that answers nothing for so long is dead without saying so, and another is made. */
const SILENT_MS = 4_000;

/** A connection that comes back by itself. Commands fail at once while Redis is away, instead of waiting for it. */
export function connectRedis({ url, password }: RedisPlace, log: Logger, name: string): Redis {
  const redis = new Redis({
    ...parseRedisUrl(url, password),
    connectionName: name,
    enableOfflineQueue: false,
    enableReadyCheck: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    commandTimeout: 3_000,
    connectTimeout: 3_000,
    socketTimeout: SILENT_MS,
    retryStrategy: (attempt) => Math.min(2_000, 50 * 2 ** Math.min(attempt, 6)),
    sentinelRetryStrategy: (attempt) => Math.min(2_000, 50 * 2 ** Math.min(attempt, 6)),
    reconnectOnError: (error) => (error.message.startsWith("READONLY") ? 2 : false),
  });
  let told = "";
  redis.on("error", (error: Error) => {
    if (error.message === told) return;
    told = error.message;
    log.warn({ reason: error.message }, "Redis is away");
  });
  redis.on("ready", () => {
    told = "";
  });
  return redis;
}

/**
 * Refuses a Redis that is too old or evicts keys: a spent sign-in code that is forgotten could be spent again.
 * @throws {FailureError} `unsupported` with the setting that cures it.
 */
export async function checkRedis(redis: Redis): Promise<void> {
  const sections = await Promise.all(REDIS_FACTS.map(async (section) => await redis.info(section)));
  refuseUnfitRedis(sections.join("\n"), "managed");
}
