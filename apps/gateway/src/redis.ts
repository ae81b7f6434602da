// The gateway's connections to Redis: it reads routes, hears of changes, and spends sign-in codes.
import type { Logger } from "@gitspaces/daemon";
import { Redis } from "ioredis";

export type RedisPlace = { url: string; password: string | undefined };

/** A connection that comes back by itself. Commands fail at once while Redis is away, instead of waiting for it. */
export function connectRedis({ url, password }: RedisPlace, log: Logger, name: string): Redis {
  const place = new URL(url);
  const redis = new Redis({
    host: place.hostname,
    port: Number(place.port || 6_379),
    connectionName: name,
    enableOfflineQueue: false,
    // The gateway's rights do not cover INFO.
    enableReadyCheck: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    commandTimeout: 3_000,
    connectTimeout: 3_000,
    retryStrategy: (attempt) => Math.min(2_000, 50 * 2 ** Math.min(attempt, 6)),
    ...(place.username === "" ? {} : { username: decodeURIComponent(place.username) }),
    ...(password === undefined ? {} : { password }),
    ...(place.protocol === "rediss:" ? { tls: {} } : {}),
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
