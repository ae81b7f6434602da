// Whether Redis still knows everything it acknowledged. A restart, a failover or a wipe puts that in doubt, until records and
// provider have been compared once more.
import { randomUUID } from "node:crypto";
import { redisKeys, type RoutesRebuilt } from "@gitspaces/contracts";
import type { Redis } from "ioredis";
import { defineScript } from "./script.ts";
import { scripts } from "./scripts.ts";

/** Longer than any comparison takes; one that was cut short leaves no key for ever. */
const COMPARISON_MS = 10 * 60_000;

const PARTIAL =
  ", which did not list every VM when it was last asked, or has one that cannot be taken back on record (the log names it)";

export type RedisMemory = ReturnType<typeof redisMemory>;

/** The doubt about the Redis of this connection. */
export function redisMemory(redis: Redis) {
  const isWhole = defineScript(redis, "gsIsWhole", scripts.gsIsWhole);
  const begin = defineScript(redis, "gsBeginRebuild", scripts.gsBeginRebuild);
  const end = defineScript(redis, "gsEndRebuild", scripts.gsEndRebuild);
  let wasPartial = false;
  const news: RoutesRebuilt = { change: "rebuilt" };

  return {
    /** Whether every record is known to be there. Until then nothing is claimed, made or removed for a pool. */
    async isWhole(): Promise<boolean> {
      return (await isWhole([], [])) === 1;
    },
    /**
     * Compares, and vouches for the records when `compare` says that it looked at everything and nothing was lost meanwhile.
     * The gateways then hear that routes which are missing now are gone.
     */
    async vouchAfter(compare: () => Promise<boolean>): Promise<void> {
      const comparison = redisKeys.rebuild(randomUUID());
      await begin([comparison], [COMPARISON_MS]);
      const isAgreed = await compare();
      wasPartial = !isAgreed;
      if (isAgreed) await end([comparison, redisKeys.whole("records")], [JSON.stringify(news)]);
      else await redis.del(comparison);
    },
    /** For readiness. @throws while records are being rebuilt. */
    async check(): Promise<void> {
      if ((await isWhole([], [])) !== 1)
        throw new Error(
          `Redis was restarted or emptied: its records are being compared with the provider${wasPartial ? PARTIAL : ""}`,
        );
    },
  };
}
