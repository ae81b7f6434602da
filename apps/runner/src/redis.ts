// The runner's Redis: reached with its own user, and refused when it could lose or evict what it holds.
import { readSecret } from "@gitspaces/daemon";
import { fail } from "@gitspaces/contracts";
import { Redis } from "ioredis";

type Options = { redisUrl: string; redisPasswordFile?: string | undefined; signal: AbortSignal; deadlineMs?: number };
const START_DEADLINE_MS = 60_000;

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
  const url = new URL(redisUrl);
  const redis = new Redis({
    host: url.hostname,
    port: Number(url.port || 6379),
    ...(url.username === "" ? {} : { username: decodeURIComponent(url.username) }),
    ...(redisPasswordFile === undefined ? {} : { password: readSecret(redisPasswordFile) }),
    ...(url.protocol === "rediss:" ? { tls: {} } : {}),
    // BullMQ waits on its commands for as long as an outage lasts.
    maxRetriesPerRequest: null,
    retryStrategy: (times) => Math.min(times * 50, 1_000),
  });
  try {
    await ready(redis, url.host, AbortSignal.any([signal, AbortSignal.timeout(deadlineMs)]));
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

type Durability = "required" | "managed" | "development";

/**
 * Refuses a Redis that evicts keys (always), and one that forgets on a restart (unless somebody vouches for it).
 * @throws {FailureError} `unsupported` with the setting that cures it.
 */
export async function checkRedis(redis: Redis, durability: Durability): Promise<void> {
  const facts = parseInfo(`${await redis.info("memory")}\n${await redis.info("persistence")}`);
  const policy = facts.get("maxmemory_policy") ?? "unknown";
  if (policy !== "noeviction") {
    throw fail(
      "unsupported",
      `Redis may evict keys (maxmemory-policy is "${policy}"), which would lose VMs. Set "maxmemory-policy noeviction" in redis.conf.`,
      { field: "redisUrl" },
    );
  }
  if (facts.get("aof_enabled") !== "1" && durability === "required") {
    throw fail(
      "unsupported",
      'Redis keeps no append-only file, so a restart would forget which VM belongs to whom. Set "appendonly yes" in redis.conf, ' +
        "or GITSPACES_REDIS_DURABILITY=managed when a managed Redis keeps its data in another way (development when losing it is fine).",
      { field: "redisDurability" },
    );
  }
}

/** `INFO`'s lines as a map. */
function parseInfo(text: string): Map<string, string> {
  return new Map(
    text
      .split(/\r?\n/)
      .flatMap((line) =>
        line.includes(":") && !line.startsWith("#")
          ? [[line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)] as const]
          : [],
      ),
  );
}
