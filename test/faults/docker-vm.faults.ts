// What can happen to a VM that is a container while a person works in it: each time they come back to the same work.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DEV_CONTAINER_IMAGE, docker } from "../e2e/provider.ts";
import { containerOf } from "./ground-docker.ts";
import { type House, openHouse, until } from "./house.ts";
import { changesBetween, keptWork, leaveState, workspaceOf } from "./keepsake.ts";
import { person } from "./life.ts";
import { commandOf, pidsNow } from "./process-table.ts";
import { look } from "./scene.ts";
import { violations } from "./verdict.ts";
import { tellState } from "../fixtures/git-states.ts";

const seed = Number(process.env["GITSPACES_FUZZ_SEED"] ?? Date.now() % 1_000_000);
const STATES = Number(process.env["GITSPACES_FUZZ_RUNS"] ?? 3);
const BACK_MS = 60_000;
const INNER = "DOCKER_HOST=unix:///run/docker.sock";
const configuration = ".devcontainer/devcontainer.json";
const files = { "README.md": "# Work\n", [configuration]: JSON.stringify({ name: "work", postCreateCommand: "true" }) };

let house: House;
let id: string;
let work: ReturnType<typeof keptWork>;

beforeAll(async () => {
  house = await openHouse({ provider: "docker" });
  ({ identifier: id } = await house.api.create(house.repository("work", files)));
  work = keptWork(house, files, seed);
  work.leave(id, await vmOf(id));
}, 300_000);
afterAll(async () => await house[Symbol.asyncDispose]());

async function vmOf(gitspace: string): Promise<string> {
  const vm = (await look(house)).vms.find((each) => each.gitspace === gitspace);
  if (vm === undefined) throw new Error(`${gitspace} has no VM`);
  return vm.id;
}

/** Has a command done in a VM and gives what it says. */
async function inVm(vm: string, ...command: string[]): Promise<string> {
  return (await docker("exec", "--env", INNER, containerOf(house.data, vm), ...command)).trim();
}

/** The dev containers that run in a VM, each with when it started. */
async function devContainers(vm: string): Promise<string[]> {
  const ids = (await inVm(vm, "docker", "ps", "--quiet", "--no-trunc")).split("\n").filter(Boolean);
  return ids.length === 0
    ? []
    : (await inVm(vm, "docker", "inspect", "--format", "{{.Id}} {{.State.StartedAt}}", ...ids)).split("\n");
}

/** What is wrong when the person comes back: the Gitspace runs and opens, their work is as it was, nothing is left over. */
async function wrongOnReturn(gitspace = id, isThere: () => Promise<boolean> | boolean = () => true): Promise<string[]> {
  const since = performance.now();
  const someone = person(house);
  await until("what was hurt is there again", BACK_MS, isThere);
  await until("the workbench opens", BACK_MS, async () => await someone.opens(gitspace));
  const { state } = await someone.stateOf(gitspace);
  console.log(`${expect.getState().currentTestName}: back after ${Math.round(performance.now() - since)} ms`);
  if (state !== "running") return [`${gitspace} is ${state}`];
  return gitspace === id ? [...work.complaints(id, await vmOf(id)), ...(await leftOver())] : [];
}

async function leftOver(): Promise<string[]> {
  let last: string[] = [];
  await until("nothing is left over", BACK_MS, async () => {
    last = violations(await look(house), new Map([[id, "running"]]), 1);
    return last.length === 0;
  }).catch(() => undefined);
  return last;
}

test("I3 I5: a dev container that is killed comes back with its work", async () => {
  const vm = await vmOf(id);
  const [before = ""] = await devContainers(vm);
  await inVm(vm, "docker", "kill", before.split(" ")[0] ?? "");
  expect(await wrongOnReturn(id, async () => (await devContainers(vm)).some((each) => each !== before))).toEqual([]);
});

test("I3 I5: a Docker engine that is killed in its VM comes back with the dev container and its work", async () => {
  const vm = await vmOf(id);
  const engine = () => inVm(vm, "cat", "/run/gitspaces/engine-pid");
  const before = await engine();
  await inVm(vm, "kill", "-KILL", before);
  expect(
    await wrongOnReturn(id, async () => (await engine()) !== before && (await devContainers(vm)).length === 1),
  ).toEqual([]);
});

test("I3 I5: a VM that reboots comes back with its disk, its dev container and its work", async () => {
  const vm = await vmOf(id);
  const [before = ""] = await devContainers(vm);
  await docker("restart", "--time", "1", containerOf(house.data, vm));
  expect(await wrongOnReturn(id, async () => (await devContainers(vm)).some((each) => each !== before))).toEqual([]);
  expect(await vmOf(id)).toBe(vm);
});

test("I3 I5: an agent that is killed, and killed again while it returns, comes back with the dev container as it runs", async () => {
  const vm = await vmOf(id);
  const before = await devContainers(vm);
  house.arm("agent.afterReturn");
  house.signal("agent", "SIGKILL");
  expect(await wrongOnReturn(id, () => house.hasPassed("agent.afterReturn"))).toEqual([]);
  house.disarm("agent.afterReturn");
  expect(await devContainers(vm)).toEqual(before);
});

test("I8: an agent that is killed while the dev container is built lets the person in all the same", async () => {
  // No other process of this machine sleeps just so long.
  const building = `sleep 5.${process.pid}`;
  const url = house.repository("built", {
    [configuration]: JSON.stringify({ build: { dockerfile: "Dockerfile" } }),
    ".devcontainer/Dockerfile": `FROM ${DEV_CONTAINER_IMAGE}\nRUN ${building} && echo built >/tmp/built\n`,
  });
  const someone = person(house);
  const built = await someone.create(url);
  await someone.ask(built, "start");
  await until("the build is under way", BACK_MS, () => isRunning(building));
  const [agent] = await agentsOf(await vmOf(built));
  process.kill(Number(agent), "SIGKILL");
  let { state } = await someone.outcome(built);
  if (state === "error") {
    await someone.ask(built, "start");
    ({ state } = await someone.outcome(built));
  }
  expect(state).toBe("running");
  expect((await house.api.events(built)).map(({ message }) => message).join("\n")).not.toContain("recovery container");
  expect(await wrongOnReturn(built)).toEqual([]);
  const [container = ""] = await devContainers(await vmOf(built));
  expect(await inVm(await vmOf(built), "docker", "exec", container.split(" ")[0] ?? "", "cat", "/tmp/built")).toBe(
    "built",
  );
  await house.api.call("DELETE", `gitspaces/${built}`);
});

test("I8: an image that no registry gives lets the person in to mend it, and their next start has what they meant", async () => {
  const url = house.repository("imageless", { [configuration]: JSON.stringify({ image: "127.0.0.1:9/none:1" }) });
  const { identifier } = await house.api.create(url);
  expect(await wrongOnReturn(identifier)).toEqual([]);
  const told = (await house.api.events(identifier)).map(({ message }) => message).join("\n");
  expect(told).toContain("recovery container");
  const folder = workspaceOf(house, await vmOf(identifier));
  writeFileSync(join(folder, configuration), JSON.stringify({ postCreateCommand: "echo it-is-$((40+2))" }));
  await house.api.stop(identifier);
  await house.api.start(identifier);
  expect((await house.api.log(identifier)).map(({ out }) => out).join("\n")).toContain("it-is-42");
  expect(await wrongOnReturn(identifier)).toEqual([]);
  await house.api.call("DELETE", `gitspaces/${identifier}`);
});

test("I3: whatever state a repository is in, a stop, a start and a reset change no byte of it", async () => {
  console.log(`git states on VMs: GITSPACES_FUZZ_SEED=${seed} GITSPACES_FUZZ_RUNS=${STATES}`);
  for (let turn = 0; turn < STATES; turn++) {
    const folder = workspaceOf(house, await vmOf(id));
    leaveState(folder, files, seed + turn);
    const before = tellState(folder);
    await house.api.stop(id);
    await house.api.start(id);
    expect([turn, ...changesBetween(before, tellState(workspaceOf(house, await vmOf(id))))]).toEqual([turn]);
    const vm = await vmOf(id);
    await house.api.call("POST", `gitspaces/${id}/actions`, { action: "reset" });
    await until("the reset is through", BACK_MS, async () => {
      const { state, reason } = await person(house).stateOf(id);
      if (state === "error") throw new Error(reason);
      return state === "running" && (await vmOf(id)) !== vm;
    });
    expect([turn, ...changesBetween(before, tellState(workspaceOf(house, await vmOf(id))))]).toEqual([turn]);
  }
  expect(await person(house).opens(id)).toBe(true);
});

/** Whether a program of this command runs anywhere on this machine, VMs included. */
function isRunning(command: string): boolean {
  return pidsNow().some((pid) => {
    try {
      return commandOf(pid).join(" ").trim() === command;
    } catch {
      return false;
    }
  });
}

async function agentsOf(vm: string): Promise<string[]> {
  const top = await docker("top", containerOf(house.data, vm), "-eo", "pid,args");
  const agents = top
    .split("\n")
    .filter((line) => /^\s*\d+\s+\/opt\/gitspaces\/bin\/node .*agent\/src\/main\.ts/.test(line));
  return agents.map((line) => line.trim().split(/\s+/)[0] ?? "");
}
