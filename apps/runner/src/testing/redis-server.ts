// A real Redis for one test file, whose connections end with it.
import { startRedisServer } from "@gitspaces/daemon/testing";
import { Redis } from "ioredis";

export type RedisServer = AsyncDisposable & { url: string; connect(): Redis };

/** Starts Redis as the runner wants it; `settings` replace its own. */
export async function startRedis(settings: Record<string, string> = {}): Promise<RedisServer> {
  const server = await startRedisServer({ settings });
  const connections: Redis[] = [];
  return {
    url: server.url,
    connect() {
      const redis = new Redis(server.url, { maxRetriesPerRequest: null });
      connections.push(redis);
      return redis;
    },
    async [Symbol.asyncDispose]() {
      for (const redis of connections) redis.disconnect();
      await server[Symbol.asyncDispose]();
    },
  };
}
