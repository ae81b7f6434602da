import { randomInt } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type House, openHouse, until } from "./house.ts";
import { cutTail, keepsake, settled, visitor, whileRedisIsDead } from "./redis-house.ts";
import { look } from "./scene.ts";

const pool =
  'version: "1"\ninstances:\n  - name: default\n    type: process\n    default: true\n    pool: 1\n    limit: 4\n';
const seed = Number(process.env["GITSPACES_SEED"] ?? randomInt(2 ** 31));
/** The sizes that matter (a byte, a word, a transaction, all that is allowed) and two that nobody chose. */
const sizes = [1, 7, 64, 511, 4_096, 1 + (seed % 4_095), 1 + (Math.imul(seed, 2_654_435_761) >>> 20)];
/** An agent whose enrolment was forgotten is waited for as long as any; then the pool has another. */
const CONVERGED_MS = 110_000;
let house: House;
let url: string;
let stays: string;
let round = 0;

beforeAll(async () => {
  console.log(`seed ${seed}: ${sizes.join(", ")} bytes (GITSPACES_SEED=${seed} repeats it)`);
  house = await openHouse({ pool });
  url = house.repository("cut", { "README.md": "hello" });
  stays = (await house.api.create(url, { name: "stays" })).identifier;
});
afterAll(async () => await house[Symbol.asyncDispose]());

const running = (...ids: string[]) => new Map(ids.map((id) => [id, "running"] as const));
const vmsOf = async (...ids: string[]) =>
  (await look(house)).vms.flatMap(({ id, gitspace }) => (ids.includes(gitspace ?? "") ? [id] : [])).toSorted();

async function allReady(): Promise<void> {
  for (const daemon of ["runner", "delegate", "gateway"] as const) await house.ready(daemon, 60_000);
}

test.each(sizes)(
  "I2 I3 I4 E3: the last %i bytes are cut off just after a start: its Gitspace runs on, is served, and can be deleted",
  async (bytes) => {
    const { identifier } = await house.api.create(url, { name: `cut-${++round}` });
    const kept = await Promise.all([keepsake(house, stays), keepsake(house, identifier)]);
    const before = await vmsOf(stays, identifier);
    await using open = await visitor(house, identifier);
    await whileRedisIsDead(house, (folder) => expect(cutTail(folder, bytes)).toBeGreaterThan(4_096));
    await until("both routes are there", 60_000, async () => {
      const routes = (await look(house)).routes.map(({ gitspace }) => gitspace);
      return routes.includes(stays) && routes.includes(identifier);
    });
    expect(await open.ask()).toBe(200);
    await settled(house, running(stays, identifier), 1, CONVERGED_MS);
    await allReady();
    expect(await vmsOf(stays, identifier)).toEqual(before);
    expect(open.refused).toEqual([]);
    for (const each of kept) await each.check();
    await house.api.call("DELETE", `gitspaces/${identifier}`);
    await settled(house, running(stays), 1);
  },
  240_000,
);

test.each([0, 300, 900])(
  "I2 I3 I4 E3: Redis dies %i ms into a start and loses 300 bytes: the start ends, and everything settles",
  async (afterMs) => {
    const { identifier } = await house.api.call<{ identifier: string }>("POST", "gitspaces", { code_repo_url: url });
    await house.api.call("POST", `gitspaces/${identifier}/actions`, { action: "start" });
    await new Promise((resolve) => setTimeout(resolve, afterMs));
    await whileRedisIsDead(house, (folder) => void cutTail(folder, 300));
    expect((await house.api.until(identifier, ["running"], 90_000)).state).toBe("running");
    await settled(house, running(stays, identifier), 1, CONVERGED_MS);
    await house.api.call("DELETE", `gitspaces/${identifier}`);
    await settled(house, running(stays), 1);
  },
  240_000,
);
