// A reset gives a Gitspace a fresh VM and keeps its home, also when those who do it are killed on the way.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type House, openHouse, until } from "./house.ts";
import { person } from "./life.ts";
import { look } from "./scene.ts";
import { violations } from "./verdict.ts";

const pool = 'version: "1"\ninstances:\n  - { name: default, type: process, default: true, warm: 0, max: 4 }\n';
let house: House;
let id: string;
let vm: string;
beforeAll(async () => {
  house = await openHouse({ pool });
  ({ identifier: id } = await house.api.create(house.repository("hello", { "README.md": "# hello\n" })));
  vm = await theVm();
  person(house).home(vm).write("precious");
});
afterAll(async () => await house[Symbol.asyncDispose]());

async function theVm(): Promise<string> {
  const { vms } = await look(house);
  expect(vms).toHaveLength(1);
  return vms[0]?.id ?? "";
}

async function reset(): Promise<void> {
  await house.api.call("POST", `gitspaces/${id}/actions`, { action: "reset" });
}

async function nothingIsWrong(state: "running" | "stopped"): Promise<void> {
  let last: string[] = [];
  await until("nothing is left over", 30_000, async () => {
    last = violations(await look(house), new Map([[id, state]]), 0);
    return last.length === 0;
  }).catch(() => undefined);
  expect(last).toEqual([]);
}

const moments: [string, string | undefined][] = [
  ["nothing is in its way", undefined],
  ["the control plane is killed when it has accepted it", "control-plane.afterAccept"],
  ["the control plane is killed when it has an answer", "control-plane.afterAnswer"],
  ["the runner is killed when the old VM is gone", "runner.afterProviderRemove"],
  ["the runner is killed when the new VM is made", "runner.afterProviderCreate"],
  ["the delegate is killed when it has a task", "delegate.afterAcquire"],
];

test.each(moments)("I2 I3 I8: a reset ends on a fresh VM with the same home when %s", async (_, point) => {
  if (point !== undefined) house.arm(point);
  // Killed after it has accepted, it cannot answer: the person looks again.
  await reset().catch(() => undefined);
  await until("the reset is accepted and through", 90_000, async () => {
    const { state, reason } = await person(house).stateOf(id);
    if (state === "error") throw new Error(reason);
    return state === "running" && (await look(house)).vms.some((each) => each.id !== vm);
  });
  expect(point === undefined || house.hasPassed(point)).toBe(true);
  await nothingIsWrong("running");
  const fresh = await theVm();
  expect(fresh).not.toBe(vm);
  vm = fresh;
  expect(person(house).home(vm).read()).toBe("precious");
  expect(await person(house).opens(id)).toBe(true);
});

test("I3: a reset of a stopped Gitspace leaves it stopped, with its home and no VM", async () => {
  await house.api.stop(id);
  await reset();
  await house.api.until(id, ["stopped"]);
  await nothingIsWrong("stopped");
  await house.api.start(id);
  expect(
    person(house)
      .home(await theVm())
      .read(),
  ).toBe("precious");
});
