// A start is cancelled in each of its phases, with the process that does the work held exactly there: nothing of it is left.
import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, expect, test } from "vitest";
import { closedGate, type Gate } from "./gated-git.ts";
import { type Daemon, type House, openHouse, until } from "./house.ts";
import { person } from "./life.ts";
import { look } from "./scene.ts";
import { violations } from "./verdict.ts";

/** A number of seconds that no other process sleeps. */
const NAP = "43219.25";
// No VM stands ready: every start makes its own, so that each phase of making one is passed.
const pool = 'version: "1"\ninstances:\n  - { name: default, type: process, default: true, warm: 0, max: 4 }\n';
let gate: Gate;
let house: House;
let plain: string;
beforeAll(async () => {
  gate = await closedGate(() => plain);
  house = await openHouse({ pool, vmHostPorts: [gate.port] });
  plain = house.repository("hello", { "README.md": "# hello\n" });
});
afterAll(async () => {
  await house[Symbol.asyncDispose]();
  await gate[Symbol.asyncDispose]();
});

type Held = {
  /** The repository of the Gitspace. */
  url: () => string;
  /** Before the start: what will hold it. */
  hold: () => void;
  /** Whether it is held there. */
  isThere: () => Promise<boolean> | boolean;
  /** After the cancel: lets go. */
  letGo: () => void;
};

const plainly = () => plain;
const naps = () =>
  execFileSync("ps", ["-e", "-o", "args"], { encoding: "utf8" })
    .split("\n")
    .filter((line) => line === `sleep ${NAP}`).length;

/** The daemon stops where it passes its failpoint, until it is let go. */
function heldAt(daemon: Daemon, point: string): Held {
  return {
    url: plainly,
    hold: () => house.arm(point, "stop"),
    async isThere() {
      if (!house.hasPassed(point)) return false;
      await house.stopped(daemon);
      return true;
    },
    letGo: () => house.signal(daemon, "SIGCONT"),
  };
}

/** The agent is held at its failpoint; its VM is made while the runner waits with the route, so that it can be armed. */
function agentHeldAt(point: string): Held {
  let isArmed = false;
  const runner = heldAt("runner", "runner.afterRouteSet");
  return {
    ...runner,
    async isThere() {
      if (!isArmed && (await runner.isThere())) {
        house.arm(point, "stop");
        isArmed = true;
        runner.letGo();
      }
      return isArmed && house.hasPassed(point);
    },
    letGo: () => undefined,
  };
}

const phases: [string, () => Held][] = [
  [
    "offered, with the delegate away",
    () => ({
      url: plainly,
      hold: () => house.signal("delegate", "SIGSTOP"),
      isThere: () => true,
      letGo: () => house.signal("delegate", "SIGCONT"),
    }),
  ],
  ["queued by the delegate", () => heldAt("delegate", "delegate.afterQueued")],
  ["reserving a VM", () => heldAt("runner", "runner.afterReserve")],
  ["making the VM", () => heldAt("runner", "runner.afterProviderCreate")],
  ["attaching the home disk", () => heldAt("runner", "runner.afterDiskAttach")],
  ["opening the route", () => heldAt("runner", "runner.afterRouteSet")],
  [
    "cloning",
    () => ({
      url: () => `http://${house.system.up.host_address}:${gate.port}/hello.git`,
      hold: () => undefined,
      isThere: () => gate.held > 0,
      letGo: () => gate.open(),
    }),
  ],
  [
    "running a hook",
    () => ({
      // The home is kept, so the second start does not nap.
      url: () =>
        house.repository("napping", {
          ".devcontainer.json": JSON.stringify({
            postCreateCommand: `test -e ~/napped || { touch ~/napped; sleep ${NAP}; }`,
          }),
        }),
      hold: () => undefined,
      isThere: () => naps() === 1,
      letGo: () => undefined,
    }),
  ],
  ["opening the IDE", () => agentHeldAt("agent.afterIde")],
];

test.each(phases)("I3 I5 I8: a start cancelled while %s leaves nothing, and a new start works", async (_, held) => {
  const { url, hold, isThere, letGo } = held();
  const someone = person(house);
  const id = await someone.create(url());
  hold();
  await house.api.call("POST", `gitspaces/${id}/actions`, { action: "start" });
  await until("the start is held in its phase", 60_000, isThere);
  const hadHome = (await look(house)).homes.some((home) => home.id === id);
  await house.api.call("POST", `gitspaces/${id}/actions`, { action: "cancel" });
  letGo();
  expect(await someone.outcome(id)).toEqual({ state: "stopped", reason: "" });
  await nothingIsWrong("stopped", id);
  expect(naps()).toBe(0);
  expect((await look(house)).homes.some((home) => home.id === id)).toBe(hadHome);
  await house.api.start(id);
  await nothingIsWrong("running", id);
  expect(await someone.opens(id)).toBe(true);
  await house.api.call("DELETE", `gitspaces/${id}`);
  expect(await someone.outcome(id)).toMatchObject({ state: "gone" });
});

/** What is seen from outside fits the state, as soon as what was under way has ended. */
async function nothingIsWrong(state: "stopped" | "running", id: string): Promise<void> {
  let last: string[] = [];
  await until("nothing is left over", 30_000, async () => {
    last = violations(await look(house), new Map([[id, state]]), 0);
    return last.length === 0;
  }).catch(() => undefined);
  expect(last).toEqual([]);
}
