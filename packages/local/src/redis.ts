// The installation's own Redis: configured, started, and ready to answer.
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fail, redisKeys } from "@gitspaces/contracts";
import { readSecret } from "@gitspaces/daemon";
import { Redis } from "ioredis";
import type { Program } from "./program.ts";
import { redisAcl, redisConfig } from "./redis-config.ts";
import { type RedisUser, redisUsers, type SecretFiles } from "./secrets.ts";

/** Writes Redis's files under the data folder and gives the program to run. @throws `unsupported` when Redis is not installed. */
export function redisProgram(dataFolder: string, port: number, secrets: SecretFiles): Program {
  if (spawnSync("redis-server", ["--version"]).error !== undefined) {
    throw fail(
      "unsupported",
      "redis-server is not installed. As root: apt-get install --no-install-recommends redis-server",
    );
  }
  const folder = join(dataFolder, "redis");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const passwords = Object.fromEntries(
    redisUsers.map((user) => [user, readSecret(secrets.redisPassword[user])]),
  ) as Record<RedisUser, string>;
  const aclFile = join(folder, "users.acl");
  writeFileSync(aclFile, redisAcl(passwords), { mode: 0o600 });
  writeFileSync(join(folder, "redis.conf"), redisConfig({ port, folder, aclFile }), { mode: 0o600 });
  return { name: "redis", command: "redis-server", args: [join(folder, "redis.conf")], env: {} };
}

/** A connection as the administrator of this Redis, for one purpose; the caller disposes of it. */
export function connectAsLocal(port: number, secrets: SecretFiles): Redis & AsyncDisposable {
  const redis = new Redis({
    host: "127.0.0.1",
    port,
    username: "local",
    password: readSecret(secrets.redisPassword.local),
    retryStrategy: () => 20,
    maxRetriesPerRequest: null,
  });
  redis.on("error", () => undefined);
  return Object.assign(redis, { [Symbol.asyncDispose]: async () => redis.disconnect() });
}

/** Waits until Redis has loaded its data and answers. */
export async function waitForRedis(port: number, secrets: SecretFiles, signal: AbortSignal): Promise<void> {
  await using redis = connectAsLocal(port, secrets);
  await abortable(redis.ping(), signal);
}

const NOTHING_MADE_MS = 1_000;

/**
 * Waits until a VM stands ready in the pool; says whether one does. It does not when the pool wants none (no slot is taken within
 * a second) or when `deadlineMs` have passed.
 */
export async function waitForWarmVm(
  port: number,
  secrets: SecretFiles,
  { pool, deadlineMs, signal }: { pool: string; deadlineMs: number; signal: AbortSignal },
): Promise<boolean> {
  await using redis = connectAsLocal(port, secrets);
  const since = performance.now();
  for (;;) {
    if ((await abortable(redis.zcard(redisKeys.warm(pool)), signal)) > 0) return true;
    const isBeingMade = (await abortable(redis.exists(redisKeys.slots(pool)), signal)) > 0;
    const waitedMs = performance.now() - since;
    if (waitedMs > deadlineMs || (!isBeingMade && waitedMs > NOTHING_MADE_MS)) return false;
    await sleep(20, undefined, { signal });
  }
}

/** A command of a connection that may never come up must not outlive the wait for it. */
async function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  work.catch(() => undefined);
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
