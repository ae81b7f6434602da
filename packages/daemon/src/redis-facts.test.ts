import { expect, test } from "vitest";
import { refuseUnfitRedis } from "./redis-facts.ts";

const info = (facts: Record<string, string> = {}) =>
  Object.entries({ redis_version: "7.0.15", maxmemory_policy: "noeviction", aof_enabled: "1", ...facts })
    .map(([name, value]) => `${name}:${value}`)
    .join("\r\n");

test.each(["6.2.0", "6.2.14", "7.0.15", "8.0.0", "10.1"])("Redis %s is taken", (redis_version) => {
  expect(() => refuseUnfitRedis(info({ redis_version }), "required")).not.toThrow();
});

test.each(["6.0.16", "5.0.14", "2.8", "unknown"])("Redis %s is refused as too old", (redis_version) => {
  expect(() => refuseUnfitRedis(info({ redis_version }), "development")).toThrow(/too old: 6\.2 or later/);
});

test.each(["allkeys-lru", "volatile-ttl"])("a Redis that evicts (%s) is refused, whoever vouches for it", (policy) => {
  expect(() => refuseUnfitRedis(info({ maxmemory_policy: policy }), "managed")).toThrow(/maxmemory-policy noeviction/);
});

test("a Redis without an append-only file is refused unless somebody vouches for it", () => {
  expect(() => refuseUnfitRedis(info({ aof_enabled: "0" }), "required")).toThrow(/appendonly yes/);
  for (const durability of ["managed", "development"] as const)
    expect(() => refuseUnfitRedis(info({ aof_enabled: "0" }), durability)).not.toThrow();
});
