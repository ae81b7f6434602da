import { afterEach, expect, test } from "vitest";
import { type Fleet, openFleet } from "../../apps/runner/src/testing/fleet.ts";
import { provisionTask } from "../../apps/runner/src/testing/runner-bench.ts";
import { until } from "./house.ts";

let fleet: Fleet;
afterEach(async () => await fleet[Symbol.asyncDispose]());

const WARM = 50;
const MAX = 60;
const CLAIMS = 200;
const DEADLINE_MS = 100_000;

test("I1 I4: of 200 simultaneous claims at two runners 50 get the 50 warm VMs, 10 get new ones up to max, 140 hear that there is none", async () => {
  fleet = await openFleet({ pool: { warm: WARM, max: MAX }, settings: { vmStartMs: 60_000, sweepMs: 60_000 } });
  await Promise.all([fleet.start("one"), fleet.start("two")]);
  await until("the pool is warm", 60_000, async () => (await fleet.warm()).length === WARM);
  const stock = new Set(await fleet.warm());

  const tasks = Array.from({ length: CLAIMS }, (_, index) =>
    provisionTask(`many-${String(index).padStart(6, "0")}`, 1, DEADLINE_MS),
  );
  await Promise.all(tasks.map((task) => fleet.add(task)));
  const answers = await Promise.all(tasks.map((task) => fleet.answer(task, DEADLINE_MS)));

  const given = answers.flatMap((answer) =>
    answer.outcome === "ok" ? [answer.result as { vm: { instanceId: string }; warm: boolean }] : [],
  );
  const refused = answers.flatMap((answer) => (answer.outcome === "failed" ? [answer.failure.code] : []));
  const ids = given.map(({ vm }) => vm.instanceId);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.filter((id) => stock.has(id)).toSorted()).toEqual([...stock].toSorted());
  expect(ids).toHaveLength(MAX);
  expect(new Set(refused)).toEqual(new Set(["no_capacity"]));
  expect(refused).toHaveLength(CLAIMS - MAX);
  // What the cloud says: every VM has one owner, the one that was told of it, and there never were more than max.
  for (const [index, answer] of answers.entries()) {
    if (answer.outcome === "failed") continue;
    const { instanceId } = (answer.result as { vm: { instanceId: string } }).vm;
    const vm = fleet.cloud.provider.vms.get(instanceId);
    expect(vm?.labels["gs-gitspace"]).toBe(tasks[index]?.gitspaceId);
    expect(fleet.cloud.provider.agents.get(instanceId)?.identities).toBe(1);
  }
  expect(fleet.cloud.provider.counts.most).toBeLessThanOrEqual(MAX);
});
