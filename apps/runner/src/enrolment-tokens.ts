// Tokens by which a new VM's agent gets its certificate, each for one key. Only their SHA-256 is kept, for ten minutes.
import { createHash, randomBytes } from "node:crypto";
import { redisKeys } from "@gitspaces/contracts";
import type { Redis } from "ioredis";
import { z } from "zod";
import { defineScript } from "./script.ts";

const LIFE_MS = 10 * 60 * 1_000;

/** token | key fingerprint → the instance, for the first key that asks and for no other. */
const spendScript = `
  local kept = redis.call('GET', KEYS[1])
  if not kept then return '' end
  local instance, key = string.match(kept, '^(%S+) ?(%S*)$')
  if key ~= '' and key ~= ARGV[1] then return '' end
  redis.call('SET', KEYS[1], instance .. ' ' .. ARGV[1], 'KEEPTTL')
  return instance`;

const keyOf = (token: string) => redisKeys.enrolment(createHash("sha256").update(token).digest("hex"));

export type EnrolmentTokens = ReturnType<typeof enrolmentTokens>;

/** The tokens on this connection. */
export function enrolmentTokens(redis: Redis) {
  const spend = defineScript(redis, "gsSpendToken", spendScript);
  return {
    /** A new token for this instance. */
    async make(instanceId: string): Promise<string> {
      const token = randomBytes(32).toString("base64url");
      await redis.set(keyOf(token), instanceId, "PX", LIFE_MS);
      return token;
    },
    /** The instance a token is for, without spending it. */
    async peek(token: string): Promise<string | undefined> {
      return (await redis.get(keyOf(token)))?.split(" ")[0];
    },
    /** Spends a token for a key: of any number of keys at once, one gets the instance, and gets it again when it asks again. */
    async spend(token: string, keyFingerprint: string): Promise<string | undefined> {
      const instance = z.string().parse(await spend([keyOf(token)], [keyFingerprint]));
      return instance === "" ? undefined : instance;
    },
  };
}
