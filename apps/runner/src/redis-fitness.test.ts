import { afterEach, expect, test } from "vitest";
import { openBench, type RunnerBench } from "./testing/runner-bench.ts";

let bench: RunnerBench;
afterEach(async () => await bench[Symbol.asyncDispose]());

test.each([
  ["maxmemory-policy", "allkeys-lru", "noeviction", /maxmemory-policy noeviction/],
  ["appendonly", "no", "yes", /appendonly yes/],
] as const)(
  "E4 I14: %s %s, set while the runner runs, makes it unready with the reason, and ready again when it is mended",
  async (setting, wrong, right, cure) => {
    bench = await openBench({ pool: { warm: 0 } });
    const check = async () => await bench.runner.checks["redis"]?.();
    await check();
    await bench.redis.config("SET", setting, wrong);
    await expect(check()).rejects.toThrow(cure);
    await bench.redis.config("SET", setting, right);
    await check();
  },
);
