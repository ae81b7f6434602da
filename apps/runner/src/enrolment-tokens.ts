// Single-use tokens by which a new VM's agent gets its certificate. Only their SHA-256 is kept, for ten minutes.
import { createHash, randomBytes } from "node:crypto";
import { redisKeys } from "@gitspaces/contracts";
import type { Redis } from "ioredis";

const LIFE_MS = 10 * 60 * 1_000;

const keyOf = (token: string) => redisKeys.enrolment(createHash("sha256").update(token).digest("hex"));

export type EnrolmentTokens = ReturnType<typeof enrolmentTokens>;

/** The tokens on this connection. */
export function enrolmentTokens(redis: Redis) {
  return {
    /** A new token for this instance. */
    async make(instanceId: string): Promise<string> {
      const token = randomBytes(32).toString("base64url");
      await redis.set(keyOf(token), instanceId, "PX", LIFE_MS);
      return token;
    },
    /** The instance a token is for, without spending it. */
    async peek(token: string): Promise<string | undefined> {
      return (await redis.get(keyOf(token))) ?? undefined;
    },
    /** Spends a token: of any number of callers at once, one gets the instance. */
    async spend(token: string): Promise<string | undefined> {
      return (await redis.getdel(keyOf(token))) ?? undefined;
    },
  };
}
