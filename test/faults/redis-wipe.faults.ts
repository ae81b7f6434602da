import { afterAll, beforeAll, expect, test } from "vitest";
import { type House, openHouse, until } from "./house.ts";
import { keepsake, removeAll, settled, visitor, whileRedisIsDead, wipe } from "./redis-house.ts";
import { look } from "./scene.ts";

const pool =
  'version: "1"\ninstances:\n  - name: default\n    type: process\n    default: true\n    pool: 1\n    limit: 5\n';
const files = { "README.md": "hello" };
let house: House;
let url: string;
const running: string[] = [];
const expected = () => new Map(running.map((id) => [id, "running"] as const));
const vmIds = async () =>
  (await look(house)).vms.flatMap(({ id, gitspace }) => (gitspace === null ? [] : [id])).toSorted();

beforeAll(async () => {
  house = await openHouse({ pool });
  url = house.repository("wiped", files);
  for (const name of ["one", "two"]) running.push((await house.api.create(url, { name })).identifier);
  await settled(house, expected(), 1);
});
afterAll(async () => await house[Symbol.asyncDispose]());

async function allReady(): Promise<void> {
  for (const daemon of ["runner", "delegate", "gateway"] as const) await house.ready(daemon, 60_000);
}

test("I3 I5 E4: FLUSHALL under two running Gitspaces: rebuilt within 60 s, same VMs, same homes, no visitor notices", async () => {
  const [one = "", two = ""] = running;
  const kept = await Promise.all([keepsake(house, one), keepsake(house, two)]);
  const before = await vmIds();
  await using first = await visitor(house, one);
  await using second = await visitor(house, two);
  await wipe(house);
  await settled(house, expected(), 1);
  await allReady();
  expect(await vmIds()).toEqual(before);
  for (const each of kept) await each.check();
  for (const each of [first, second]) {
    const sofar = each.served();
    await until("its visitor goes on", 10_000, () => each.served() > sofar);
    expect(each.refused).toEqual([]);
  }
});

test("I2 E4: after FLUSHALL the runner takes tasks again: a new Gitspace starts, stops and is deleted", async () => {
  const { identifier } = await house.api.create(url, { name: "later" });
  await house.api.stop(identifier);
  expect((await house.api.start(identifier)).state).toBe("running");
  running.push(identifier);
  await settled(house, expected(), 1);
});

test.each(["runner.afterReserve", "runner.afterClaimLabel", "runner.afterIdentityHanded"])(
  "I1 I2 I3 E4: FLUSHALL in the middle of a start, at %s: the start succeeds, with one VM and one answer",
  async (point) => {
    house.arm(point, "stop");
    const { identifier } = await house.api.call<{ identifier: string }>("POST", "gitspaces", {
      code_repo_url: url,
      name: "middle",
    });
    await house.api.call("POST", `gitspaces/${identifier}/actions`, { action: "start" });
    await until(`${point} is passed`, 30_000, () => house.hasPassed(point));
    await house.stopped("runner");
    await wipe(house);
    house.signal("runner", "SIGCONT");
    expect((await house.api.until(identifier, ["running"], 90_000)).state).toBe("running");
    await settled(house, new Map([...expected(), [identifier, "running"] as const]), 1);
    await house.api.call("DELETE", `gitspaces/${identifier}`);
    await settled(house, expected(), 1);
  },
);

test("I3 I5 E4: Redis starts empty: rebuilt within 60 s, same VMs, same homes, and what is open goes on being served", async () => {
  const [one = ""] = running;
  const kept = await keepsake(house, one);
  const before = await vmIds();
  await using open = await visitor(house, one);
  await whileRedisIsDead(house, removeAll);
  await settled(house, expected(), 1);
  await allReady();
  expect(await vmIds()).toEqual(before);
  await kept.check();
  expect(open.refused).toEqual([]);
  await house.api.stop(one);
  await house.api.start(one);
  await kept.check();
});

test.each(["runner.afterAdopted", "runner.afterRouteSet"])(
  "I3 I5 E1 E4: a runner that is killed while it rebuilds, at %s, rebuilds the rest when it is back",
  async (point) => {
    const kept = await Promise.all(running.map(async (id) => await keepsake(house, id)));
    const before = await vmIds();
    const [killed] = house.pids("runner");
    house.arm(point);
    await wipe(house);
    await until(`${point} is passed`, 30_000, () => house.hasPassed(point));
    await until("another runner is there", 30_000, () => house.pids("runner").some((pid) => pid !== killed));
    await settled(house, expected(), 1);
    expect(await vmIds()).toEqual(before);
    for (const each of kept) await each.check();
  },
);
