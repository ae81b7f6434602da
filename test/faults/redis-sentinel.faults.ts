import { randomInt } from "node:crypto";
import { expect, test } from "vitest";
import { openFailover } from "./failover.ts";
import { until } from "./house.ts";

const seed = Number(process.env["GITSPACES_SEED"] ?? randomInt(2 ** 31));
const GITSPACES = 6;

/** A small generator, so that a seed repeats its round. */
function dice(from: number): () => number {
  let state = from >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

test.each([
  ["killed", "SIGKILL", seed],
  ["hung, and back later", "SIGSTOP", seed + 1],
  ["killed", "SIGKILL", seed + 2],
] as const)(
  "I1 I2 E4b: two runners, a master that is %s, acknowledged claims lost by the failover (%s, seed %i): no VM is given twice",
  async (_words, signal, from) => {
    console.log(`seed ${from} (GITSPACES_SEED repeats it)`);
    const roll = dice(from);
    await using open = await openFailover({ warm: 3, max: 2 * GITSPACES });
    await open.trio.master.redis.wait(1, 2_000);
    await open.trio.cutReplica();
    const ids = Array.from(
      { length: GITSPACES },
      (_, index) => `lost-${"abcdef"[index]}${String(from % 100_000).padStart(5, "0")}`,
    );
    const answers = Promise.all(
      ids.map(async (id) => {
        await new Promise((resolve) => setTimeout(resolve, roll() * 300));
        return await open.provision(id);
      }),
    );
    answers.catch(() => undefined);
    const wanted = 1 + Math.floor(roll() * (GITSPACES - 2));
    await until("the master has acknowledged claims", 10_000, async () => (await open.claimsOnMaster()) >= wanted);
    await new Promise((resolve) => setTimeout(resolve, roll() * 100));
    process.kill(open.trio.master.pid, signal);
    if (signal === "SIGSTOP") setTimeout(() => open.wake(), 4_000);
    const all = await answers;

    for (const answer of all) expect(answer).toMatchObject({ outcome: "ok" });
    const vms = all.map((answer) => open.vmOf(answer));
    expect(new Set(vms).size).toBe(GITSPACES);
    await open.settled(ids);
    expect(open.doubles()).toEqual([]);
    expect(open.provider.counts.most).toBeLessThanOrEqual(2 * GITSPACES);
  },
);
