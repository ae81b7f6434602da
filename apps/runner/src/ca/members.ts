// Who holds a certificate of this installation, and what it was given with it: a rotation waits for those who have less than they need.
import { X509Certificate } from "node:crypto";
import { redisKeys } from "@gitspaces/contracts";
import type { Redis } from "ioredis";
import { z } from "zod";
import type { VmStore } from "../vm-store.ts";
import { fingerprintOf } from "./authority.ts";
import type { CaRecord } from "./record.ts";
import type { Member, Members } from "./step.ts";

const Given = z.strictObject({ issuer: z.string(), trusted: z.array(z.string()), at: z.number(), until: z.number() });
/** No role has this name. Since when everybody is written down: the memory may be younger than the certificates. */
const BORN = "born";

type Answer = { certificate: string; record: CaRecord; at: number; until: number };
export type CaMembers = ReturnType<typeof caMembers>;

/** The members of an installation, on this connection. */
export function caMembers(redis: Redis, store: Pick<VmStore, "get">, installation: string) {
  const key = redisKeys.caMembers(installation);
  const isGone = async ({ name }: Member): Promise<boolean> => {
    const [role, instance = ""] = name.split("/");
    if (role !== "vm") return false;
    const power = (await store.get(instance))?.vm.power;
    return power === undefined || power === "deleting" || power === "gone";
  };
  return {
    /** Writes down what `<role>/<name>` is about to be given; times in milliseconds since the epoch. */
    async given(name: string, { certificate, record, at, until }: Answer): Promise<void> {
      const issued = new X509Certificate(certificate);
      const known = [record.present, record.next, record.retiring].filter((each) => each !== null);
      const authorities = known.map((each) => new X509Certificate(each.certificate));
      const issuer = authorities.find((each) => issued.verify(each.publicKey));
      const entry = { issuer: issuer && fingerprintOf(issuer), trusted: authorities.map(fingerprintOf), at, until };
      await redis.multi().hsetnx(key, BORN, at).hset(key, name, JSON.stringify(entry)).exec();
    },
    /** Everybody whose certificate is valid and who is still there; the others are forgotten. */
    async list(now: number, lifeMs: number): Promise<Members> {
      await redis.hsetnx(key, BORN, now);
      const { [BORN]: born, ...entries } = await redis.hgetall(key);
      const present: Member[] = [];
      for (const [name, text] of Object.entries(entries)) {
        const read = Given.safeParse(readJson(text));
        const member = read.success ? { name, ...read.data } : undefined;
        if (member !== undefined && member.until > now && !(await isGone(member))) present.push(member);
        else if (member === undefined || member.until <= now) await redis.hdel(key, name);
      }
      return { isWhole: now - Number(born) >= lifeMs, present };
    },
  };
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
