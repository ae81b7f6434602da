// A real Redis for one test file, with nothing kept.
import { type RedisServer as TestRedis, startRedisServer } from "@gitspaces/daemon/testing";

export type { TestRedis };
export { freePort } from "@gitspaces/daemon/testing";

/** Starts Redis, on a free port or the one that is wanted; disposing ends it. */
export async function startRedis(wanted?: number): Promise<TestRedis> {
  return await startRedisServer({ port: wanted, settings: { appendonly: "no" } });
}
