import { createLog } from "@gitspaces/daemon";
import { startRedisServer } from "@gitspaces/daemon/testing";
import { Redis } from "ioredis";
import { expect, test } from "vitest";
import { openRunnerQueue } from "./runner-queue.ts";

test("E4 I14: a Redis that is told to evict keys makes the delegate unready, with the reason, until it is mended", async () => {
  await using server = await startRedisServer();
  await using queue = openRunnerQueue(server.url, undefined, createLog("delegate", "silent"));
  await expect(queue.ping()).resolves.toBeUndefined();
  const redis = new Redis(server.url);
  await redis.config("SET", "maxmemory-policy", "allkeys-lru");
  await expect(queue.ping()).rejects.toMatchObject({ failure: { code: "unsupported" } });
  await expect(queue.ping()).rejects.toThrow(/maxmemory-policy noeviction/);
  await redis.config("SET", "maxmemory-policy", "noeviction");
  await expect(queue.ping()).resolves.toBeUndefined();
  redis.disconnect();
});
