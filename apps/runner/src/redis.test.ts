import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { checkRedis, openRedis } from "./redis.ts";
import { startRedis } from "./testing/redis-server.ts";

const signal = new AbortController().signal;

test.each(["required", "managed", "development"] as const)(
  "I2 E4: a Redis that evicts is refused, also when it is %s",
  async (durability) => {
    await using server = await startRedis({ "maxmemory-policy": "allkeys-lru" });
    await expect(checkRedis(server.connect(), durability)).rejects.toThrow('Set "maxmemory-policy noeviction"');
  },
);

test("I2 E3: a Redis without an append-only file is refused unless somebody vouches for it", async () => {
  await using server = await startRedis({ appendonly: "no" });
  const redis = server.connect();
  await expect(checkRedis(redis, "required")).rejects.toThrow(/appendonly yes.*GITSPACES_REDIS_DURABILITY=managed/);
  await expect(checkRedis(redis, "managed")).resolves.toBeUndefined();
  await expect(checkRedis(redis, "development")).resolves.toBeUndefined();
});

test("a Redis that keeps everything is taken", async () => {
  await using server = await startRedis();
  await expect(checkRedis(server.connect(), "required")).resolves.toBeUndefined();
});

test("the user comes from the URL, the password from its file; a wrong one is told at once", async () => {
  await using server = await startRedis();
  await server.connect().call("ACL", "SETUSER", "runner", "on", ">right", "~gs:*", "&gs:*", "+@all");
  const folder = mkdtempSync(join(tmpdir(), "gs-password-"));
  const file = join(folder, "password");
  const redisUrl = server.url.replace("redis://", "redis://runner@");
  writeFileSync(file, "right\n");
  const redis = await openRedis({ redisUrl, redisPasswordFile: file, signal });
  expect(await redis.call("ACL", "WHOAMI")).toBe("runner");
  await redis.quit();
  writeFileSync(file, "wrong");
  await expect(openRedis({ redisUrl, redisPasswordFile: file, signal })).rejects.toMatchObject({
    failure: { code: "denied" },
  });
  rmSync(folder, { recursive: true });
});

test("a Redis that is not there is waited for until the deadline, then named", async () => {
  await expect(openRedis({ redisUrl: "redis://127.0.0.1:1", signal, deadlineMs: 300 })).rejects.toMatchObject({
    failure: { code: "timeout", message: expect.stringContaining("127.0.0.1:1") as string },
  });
});
