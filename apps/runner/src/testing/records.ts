// What the reconciler and those around it need of the records, in Redis or retold in memory.
import { randomUUID } from "node:crypto";
import { redisKeys } from "@gitspaces/contracts";
import type { Logger } from "@gitspaces/daemon";
import type { Redis } from "ioredis";
import { type ClaimStore, claimStore } from "../claim-store.ts";
import { type Mending, mending } from "../mending.ts";
import { recordSurvey, type RecordSurvey } from "../record-survey.ts";
import { defineScript } from "../script.ts";
import { scripts } from "../scripts.ts";
import { type VmStore, vmStore } from "../vm-store.ts";
import type { Kept } from "./memory-records.ts";

export type Records = {
  store: Omit<VmStore, "lost">;
  claims: Pick<ClaimStore, "enter" | "get" | "reserve" | "setRoute" | "removeRoute" | "route">;
  mender: Mending;
  survey: RecordSurvey;
  /** A comparison begins; what is given ends it, and the records are vouched for unless some were lost meanwhile. */
  beginComparing: () => Promise<() => Promise<void>>;
  /** A copy of everything kept. */
  kept: () => Promise<Kept>;
  /** As after a failover that lost what was acknowledged since. */
  lose: (to: Kept) => Promise<void>;
  /** What is kept at this moment, where that can be told without asking. */
  present: (() => Kept) | undefined;
};

const COMPARING_MS = 60_000;

/** The real ones, begun anew. */
export async function redisRecords(redis: Redis, start: Kept, log: Logger): Promise<Records> {
  const store = vmStore(redis, log);
  const claims = claimStore(redis);
  const begin = defineScript(redis, "gsBeginRebuild", scripts.gsBeginRebuild);
  const end = defineScript(redis, "gsEndRebuild", scripts.gsEndRebuild);
  const lose = async (to: Kept) => {
    await redis.flushdb();
    for (const [key, hash] of Object.entries(to.hashes)) if (Object.keys(hash).length > 0) await redis.hset(key, hash);
    for (const [key, set] of Object.entries(to.sorted))
      for (const [member, score] of Object.entries(set)) await redis.zadd(key, score, member);
    for (const [key, text] of Object.entries(to.texts)) await redis.set(key, text);
  };
  await lose(start);
  return {
    store,
    claims,
    mender: mending(redis),
    survey: recordSurvey(redis, store, claims),
    async beginComparing() {
      const comparison = redisKeys.rebuild(randomUUID());
      await begin([comparison], [COMPARING_MS]);
      return async () => void (await end([comparison, redisKeys.whole("records")], ["{}"]));
    },
    async kept() {
      const kept: Kept = { hashes: {}, sorted: {}, texts: {} };
      for (const key of await redis.keys("gs:*")) {
        const type = await redis.type(key);
        if (type === "hash") kept.hashes[key] = await redis.hgetall(key);
        if (type === "zset") {
          const pairs = await redis.zrange(key, "0", "-1", "WITHSCORES");
          kept.sorted[key] = Object.fromEntries(
            pairs.flatMap((member, index) => (index % 2 === 0 ? [[member, Number(pairs[index + 1])]] : [])),
          );
        }
        if (type === "string" && key.startsWith(redisKeys.route(""))) kept.texts[key] = (await redis.get(key)) ?? "";
      }
      return kept;
    },
    lose,
    present: undefined,
  };
}
