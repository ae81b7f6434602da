// A Lua script on a connection, and the channel on which the scripts tell of pools.
import type { Redis } from "ioredis";

/** Told whenever a pool's VMs change, so that whoever holds its lease looks at once. */
export const POOLS_CHANNEL = "gs:pools";

/** Runs a script with keys and arguments; the answer is `unknown` until somebody has read it. */
export type Script = (keys: string[], args: (string | number)[]) => Promise<unknown>;

/** Defines a script on the connection, so that only its digest travels. */
export function defineScript(redis: Redis, name: string, lua: string): Script {
  redis.defineCommand(name, { lua });
  const run = (redis as unknown as Record<string, (...args: (string | number)[]) => Promise<unknown>>)[name];
  if (run === undefined) throw new Error(`the script ${name} was not defined`);
  return (keys, args) => run.call(redis, keys.length, ...keys, ...args);
}
