// What Redis says of itself in INFO, and which of it a daemon cannot work with. Pure: whoever has a connection asks.
import { fail } from "@gitspaces/contracts";

/** `required`: an append-only file. `managed`, `development`: somebody vouches for the data, or does not mind losing it. */
export type RedisDurability = "required" | "managed" | "development";

/** The sections of INFO that are judged. */
export const REDIS_FACTS = ["server", "memory", "persistence"] as const;
const OLDEST = [6, 2] as const;

/**
 * Refuses a Redis that is too old or evicts keys, and one that forgets on a restart unless somebody vouches for it.
 * @throws {FailureError} `unsupported`, with the setting that cures it.
 */
export function refuseUnfitRedis(info: string, durability: RedisDurability): void {
  const facts = parseInfo(info);
  const version = facts.get("redis_version") ?? "unknown";
  if (isOlder(version)) {
    const message = `Redis ${version} is too old: ${OLDEST.join(".")} or later is needed. Update redis-server.`;
    throw fail("unsupported", message, { field: "redisUrl" });
  }
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

function isOlder(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return !(major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]));
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
