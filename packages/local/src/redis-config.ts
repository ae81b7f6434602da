// What Redis is told: keep everything, on loopback, and give each daemon no more than its own keys.
import { createHash } from "node:crypto";
import { RUNNER_QUEUE, REDIS_PREFIX, ROUTES_CHANNEL, redisKeys } from "@gitspaces/contracts";
import type { RedisUser } from "./secrets.ts";

/** The configuration file. Nothing is ever evicted; the append-only file is synced every second. */
export function redisConfig({ port, folder, aclFile }: { port: number; folder: string; aclFile: string }): string {
  return [
    "bind 127.0.0.1",
    `port ${port}`,
    "protected-mode yes",
    "daemonize no",
    `dir ${quoted(folder)}`,
    `aclfile ${quoted(aclFile)}`,
    "appendonly yes",
    "appendfsync everysec",
    // The end of the file may be cut off by a crash: what comes before it is taken, and what is missing is rebuilt from labels.
    "aof-load-truncated yes",
    "maxmemory-policy noeviction",
    // The append-only file is the whole truth; snapshots beside it would only cost a fork.
    'save ""',
    "",
  ].join("\n");
}

/** A path as redis.conf reads it: spaces and quotes survive. */
function quoted(path: string): string {
  return `"${path.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

const queueKeys = `${REDIS_PREFIX}:${RUNNER_QUEUE}:*`;
// INFO counts as dangerous; clients and BullMQ read version and policy from it.
const ordinary = "+@all -@admin -@dangerous +info";

const rules: Record<RedisUser, string> = {
  local: "~* &* +@all",
  runner: `~${REDIS_PREFIX}:* &${REDIS_PREFIX}:* ${ordinary}`,
  delegate: `~${queueKeys} &${queueKeys} ${ordinary}`,
  gateway: [
    `%R~${redisKeys.route("*")}`,
    `%R~${redisKeys.whole("*")}`,
    `~${redisKeys.code("*")}`,
    `&${ROUTES_CHANNEL}`,
    // It hears of routes and never tells of them: another gateway would believe it.
    "+@connection +@read +subscribe +unsubscribe +set +setnx +expire +pexpire -@admin -@dangerous +info",
  ].join(" "),
};

/**
 * The user without a name cannot sign in. It keeps its rights, because Redis 7.0 reads the append-only file back as this user and
 * silently leaves out every transaction, effects of scripts among them, that the user may not run.
 */
const nobody = "user default off resetpass ~* &* +@all";

/** The ACL file. Passwords appear as SHA-256 only. */
export function redisAcl(passwords: Record<RedisUser, string>): string {
  const lines = Object.entries(rules).map(([user, rule]) => {
    const digest = createHash("sha256")
      .update(passwords[user as RedisUser])
      .digest("hex");
    return `user ${user} on #${digest} resetchannels ${rule}`;
  });
  return [...lines, nobody, ""].join("\n");
}
