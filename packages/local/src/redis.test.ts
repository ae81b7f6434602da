import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "@gitspaces/daemon/testing";
import { CANCELLED_CHANNEL, redisKeys } from "@gitspaces/contracts";
import { readSecret } from "@gitspaces/daemon";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type KeptProgram, keepProgram } from "./program.ts";
import { redisProgram, waitForRedis, waitForWarmVm } from "./redis.ts";
import { makeSecrets, type RedisUser, type SecretFiles } from "./secrets.ts";

let folder: string;
let port: number;
let secrets: SecretFiles;
let program: KeptProgram;
const clients: Redis[] = [];

function as(user: RedisUser): Redis {
  const client = new Redis({
    host: "127.0.0.1",
    port,
    username: user,
    password: readSecret(secrets.redisPassword[user]),
  });
  client.on("error", () => undefined);
  clients.push(client);
  return client;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "redis with space-"));
  port = await freePort();
  secrets = await makeSecrets(folder);
  program = keepProgram(redisProgram(folder, port, secrets), { dataFolder: folder, say: () => undefined });
  await Promise.race([waitForRedis(port, secrets, AbortSignal.timeout(10_000)), program.failed]);
  program.started();
});
afterAll(async () => {
  for (const client of clients) client.disconnect();
  await program[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

test("nothing is evicted, and what is written is on disk within a second", async () => {
  const info = await as("runner").info();
  expect(info).toContain("maxmemory_policy:noeviction");
  expect(info).toContain("aof_enabled:1");
  expect(await as("local").config("GET", "appendfsync")).toEqual(["appendfsync", "everysec"]);
});

test("without a password there is no way in", async () => {
  const stranger = new Redis({ host: "127.0.0.1", port, maxRetriesPerRequest: 0, retryStrategy: () => null });
  clients.push(stranger);
  stranger.on("error", () => undefined);
  await expect(stranger.get("gs:route:x")).rejects.toThrow(/NOAUTH|closed|max retries/i);
});

test("the gateway reads routes, spends codes, hears of changes, and does no more", async () => {
  const gateway = as("gateway");
  await as("runner").set("gs:route:hello-k3v9x2", "{}");
  expect(await gateway.get("gs:route:hello-k3v9x2")).toBe("{}");
  expect(await gateway.set("gs:code:one", "1", "EX", 60, "NX")).toBe("OK");
  expect(await as("gateway").subscribe("gs:routes")).toBe(1);
  await expect(gateway.set("gs:route:hello-k3v9x2", "{}")).rejects.toThrow("NOPERM");
  await expect(gateway.get("gs:vm:one")).rejects.toThrow("NOPERM");
  await expect(gateway.eval("return 1", 0)).rejects.toThrow("NOPERM");
  await expect(gateway.flushall()).rejects.toThrow("NOPERM");
});

test("the delegate has the queue and nothing beside it", async () => {
  const delegate = as("delegate");
  expect(await delegate.hset("gs:runner-tasks:meta", "version", "1")).toBe(1);
  expect(await delegate.eval("return redis.call('zcard', KEYS[1])", 1, "gs:runner-tasks:wait")).toBe(0);
  expect(await delegate.set(redisKeys.cancelled("one"), "1", "PX", 1_000)).toBe("OK");
  expect(await as("runner").subscribe(CANCELLED_CHANNEL)).toBe(1);
  expect(await delegate.publish(CANCELLED_CHANNEL, "one")).toBe(1);
  await expect(delegate.publish("gs:routes", "{}")).rejects.toThrow("NOPERM");
  await expect(delegate.get("gs:vm:one")).rejects.toThrow("NOPERM");
  await expect(delegate.get("gs:enrolment:one")).rejects.toThrow("NOPERM");
  await expect(delegate.config("GET", "*")).rejects.toThrow("NOPERM");
});

test("the runner has every key of ours and no administration", async () => {
  const runner = as("runner");
  expect(await runner.publish("gs:routes", "{}")).toBeGreaterThanOrEqual(0);
  expect(await runner.eval("return redis.call('set', KEYS[1], 'x')", 1, "gs:claim:hello-k3v9x2")).toBe("OK");
  await expect(runner.set("other", "1")).rejects.toThrow("NOPERM");
  await expect(runner.acl("LIST")).rejects.toThrow("NOPERM");
});

test("a pool that makes nothing is not waited for, a warm VM is seen", async () => {
  const wait = () =>
    waitForWarmVm(port, secrets, { pool: "default", deadlineMs: 5_000, signal: AbortSignal.timeout(10_000) });
  expect(await wait()).toBe(false);
  await as("local").zadd("gs:pool:default:warm", 1, "vm-1");
  expect(await wait()).toBe(true);
});

test("what a script wrote is there after a restart", async () => {
  const script = "redis.call('hset', KEYS[1], 'a', '1') redis.call('hset', KEYS[1], 'b', '2')";
  await as("runner").eval(script, 1, "gs:vm:kept");
  await program[Symbol.asyncDispose]();
  program = keepProgram(redisProgram(folder, port, secrets), { dataFolder: folder, say: () => undefined });
  await waitForRedis(port, secrets, AbortSignal.timeout(10_000));
  program.started();
  expect(await as("runner").hgetall("gs:vm:kept")).toEqual({ a: "1", b: "2" });
});

test("no password stands in a file of Redis, and its files are its owner's alone", () => {
  const acl = join(folder, "redis/users.acl");
  const written = readFileSync(acl, "utf8") + readFileSync(join(folder, "redis/redis.conf"), "utf8");
  expect(written).not.toContain(readSecret(secrets.redisPassword.gateway));
  expect(statSync(acl).mode & 0o777).toBe(0o600);
});
