// Nobody waits for ever: what passes its deadline ends in `timeout` and is cleaned up, what cannot come any more ends sooner.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Gitspace } from "@gitspaces/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type House, openHouse, until } from "./house.ts";
import { person } from "./life.ts";
import { look } from "./scene.ts";
import { violations } from "./verdict.ts";

const pool = 'version: "1"\ninstances:\n  - { name: default, type: process, default: true, warm: 0, max: 4 }\n';
const env = {
  GITSPACES_PROVISION_DEADLINE_MS: "12000",
  GITSPACES_START_DEADLINE_MS: "15000",
  GITSPACES_LOOK_EVERY_MS: "1000",
};
let house: House;
let plain: string;
let napping: string;
beforeAll(async () => {
  house = await openHouse({ pool, env });
  plain = house.repository("hello", { "README.md": "# hello\n" });
  // The home is kept, so a second start does not nap.
  const postCreateCommand = "test -e ~/napped || { touch ~/napped; sleep 43217.5; }";
  napping = house.repository("napping", { ".devcontainer.json": JSON.stringify({ postCreateCommand }) });
});
afterAll(async () => await house[Symbol.asyncDispose]());

/** Ends everything of a VM at once, as the loss of its machine would. */
function cutPower(vm: string): void {
  const record = JSON.parse(readFileSync(join(house.data, "vms", vm, "record.json"), "utf8")) as {
    process: { pid: number };
  };
  process.kill(-record.process.pid, "SIGKILL");
}

async function start(url: string): Promise<string> {
  const id = await person(house).create(url);
  await person(house).ask(id, "start");
  return id;
}

/** It ends in error with this code; nothing of it is left, and a new start works. */
async function endsIn(id: string, code: string): Promise<string> {
  expect(await person(house).outcome(id)).toMatchObject({ state: "error" });
  const { instance } = await house.api.call<Gitspace>("GET", `gitspaces/${id}`);
  expect(instance?.error_code).toBe(code);
  return instance?.error_message ?? "";
}

async function startsAgain(id: string): Promise<void> {
  let last: string[] = [];
  await until("nothing is left over", 60_000, async () => {
    // What the holder of a task that is over answers later is kept apart, and changes nothing.
    last = violations(await look(house), new Map([[id, "error"]]), 0).filter((words) => !words.startsWith("I2"));
    return last.length === 0;
  }).catch(() => undefined);
  expect(last).toEqual([]);
  await house.api.start(id);
  await house.api.call("DELETE", `gitspaces/${id}`);
  expect(await person(house).outcome(id)).toMatchObject({ state: "gone" });
}

test("I8: a start that naps past its deadline ends in timeout, its VM goes, and a new start works", async () => {
  house.arm("control-plane.afterTimeout");
  const id = await start(napping);
  expect(await endsIn(id, "timeout")).toContain("gitspace.start");
  expect(house.hasPassed("control-plane.afterTimeout")).toBe(true);
  await startsAgain(id);
});

test("I8 E9: a provision whose runner is paused past the deadline ends in timeout, and what it goes on to make is removed", async () => {
  house.arm("runner.afterProviderCreate", "stop");
  const id = await start(plain);
  expect(await endsIn(id, "timeout")).toContain("vm.provision");
  expect(house.hasPassed("runner.afterProviderCreate")).toBe(true);
  house.signal("runner", "SIGCONT");
  await startsAgain(id);
});

test("I8: a provision that no delegate takes says that none is connected, and leaves nothing to clean up", async () => {
  house.signal("delegate", "SIGSTOP");
  // A control plane that has just begun has heard of no delegate yet.
  house.signal("control-plane", "SIGKILL");
  const id = await start(plain);
  expect(await endsIn(id, "timeout")).toMatch(/none is connected/i);
  house.signal("delegate", "SIGCONT");
  await startsAgain(id);
});

test("I8: a start whose VM vanishes fails as unreachable, long before its deadline", async () => {
  const id = await start(napping);
  await until("its VM works", 30_000, async () => {
    const events = await house.api.events(id);
    return events.some(({ event }) => event === "agent_devcontainer_start");
  });
  const [vm] = (await look(house)).vms;
  house.arm("control-plane.afterLook");
  const from = performance.now();
  cutPower(vm?.id ?? "");
  await endsIn(id, "vm_unreachable");
  expect(performance.now() - from).toBeLessThan(Number(env.GITSPACES_START_DEADLINE_MS));
  await startsAgain(id);
});
