// The agent dies at any moment of its work, or its whole VM loses its power: the Gitspace comes to its end all the same.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { portPage } from "../e2e/session.ts";
import { type House, openHouse, until } from "./house.ts";
import { person } from "./life.ts";
import { look } from "./scene.ts";

const STRAY = "43210.5";
const files = {
  "README.md": "# hello\n",
  "serve.mjs": `import { createServer } from "node:http";
createServer((_, answer) => answer.end(process.env.HOME)).listen(3000);\n`,
  ".devcontainer.json": JSON.stringify({
    onCreateCommand: "echo once >> ~/created; sleep 0.3",
    // The second has no environment and no parent, as a service of the person's might.
    postStartCommand: `setsid node serve.mjs & env -i setsid sleep ${STRAY} & echo started >> ~/started`,
  }),
};
const settings = {
  GITSPACES_SWEEP_MS: "2000",
  GITSPACES_LOOK_EVERY_MS: "3000",
  GITSPACES_DELETE_GRACE_MS: "0",
};
let house: House;
let url: string;
beforeAll(async () => {
  house = await openHouse({ env: settings });
  url = house.repository("hello", files);
  await warm();
});
afterAll(async () => await house[Symbol.asyncDispose]());

/** Waits until a VM stands ready, so that what is armed in it is met. */
async function warm(): Promise<void> {
  await until("a VM stands ready", 60_000, async () => (await look(house)).warm.length === 1);
}

async function vmOf(id: string): Promise<string> {
  const found = (await look(house)).vms.filter(({ gitspace }) => gitspace === id);
  expect(found).toHaveLength(1);
  return found[0]?.id ?? "";
}

/** The answers of a Gitspace's tasks, by type, and how many came after the first. */
async function answers(id: string): Promise<Record<string, string | null>> {
  const tasks = async () => (await look(house)).tasks.filter(({ gitspace }) => gitspace === id);
  await until(`each task of ${id} is answered`, 60_000, async () =>
    (await tasks()).every(({ state }) => state === "answered"),
  );
  expect((await tasks()).filter(({ late }) => late > 0)).toEqual([]);
  return Object.fromEntries((await tasks()).map(({ type, outcome }) => [type, outcome]));
}

function home(vm: string, name: string): string {
  return join(house.data, "vms", vm, "home", "dev", name);
}

async function remove(id: string): Promise<void> {
  await house.api.call("DELETE", `gitspaces/${id}`);
  await until(`${id} is gone`, 60_000, async () => (await look(house)).vms.every(({ gitspace }) => gitspace !== id));
}

/** The agent of one VM, by what its ancestors carry. */
function agentOf(vm: string): number {
  const found = house.pids("agent").filter((pid) => rootOf(pid) === join(house.data, "vms", vm));
  expect(found).toHaveLength(1);
  return found[0] ?? 0;
}
function rootOf(pid: number): string | undefined {
  for (let at = pid; at > 1; at = parentOf(at)) {
    const [, root] = /(?:^|\0)GITSPACES_VM_FOLDER=([^\0]*)/.exec(readFileSync(`/proc/${at}/environ`, "latin1")) ?? [];
    if (root !== undefined) return root;
  }
  return undefined;
}
function parentOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}
/** Ends everything of a VM at once, as the loss of its machine would. */
function cutPower(vm: string): void {
  const file = join(house.data, "vms", vm, "record.json");
  const record = JSON.parse(readFileSync(file, "utf8")) as { process: { pid: number } };
  process.kill(-record.process.pid, "SIGKILL");
}
function strays(): string[] {
  const lines = execFileSync("ps", ["-e", "-o", "args"], { encoding: "utf8" }).split("\n");
  return lines.filter((line) => line === `sleep ${STRAY}`);
}

test("I1 I2 E1: when an agent dies over its identity, the claim goes on with another VM and that one is removed", async () => {
  await warm();
  const [taken] = (await look(house)).warm;
  house.arm("agent.afterIdentity");
  const someone = person(house);
  const id = await someone.create(url);
  await someone.ask(id, "start");
  expect(await someone.outcome(id)).toEqual({ state: "running", reason: "" });
  expect(await vmOf(id)).not.toBe(taken);
  await until("the first VM is removed", 60_000, async () => (await look(house)).vms.every((vm) => vm.id !== taken));
  expect(await answers(id)).toMatchObject({ "vm.provision": "ok", "gitspace.start": "ok" });
  await remove(id);
});

const points = ["agent.afterTask", "agent.afterCloneBegun", "agent.afterHook", "agent.afterAnswer"];

test.each(points)("I2 E1: an agent killed at %s goes on in its VM, and its start has one answer", async (point) => {
  await warm();
  house.arm(point);
  const someone = person(house);
  const id = await someone.create(url);
  await someone.ask(id, "start");
  expect(await someone.outcome(id)).toEqual({ state: "running", reason: "" });
  expect(house.hasPassed(point)).toBe(true);
  expect(await answers(id)).toMatchObject({ "vm.provision": "ok", "gitspace.start": "ok" });
  expect(readFileSync(home(await vmOf(id), "hello/README.md"), "utf8")).toBe("# hello\n");
  expect(await someone.opens(id)).toBe(true);
  house.disarm(point);
  await remove(id);
});

test("I2 I8 E2: an agent frozen in the middle of its work goes on with it when it thaws, and its start has one answer", async () => {
  await warm();
  house.arm("agent.afterHook", "stop");
  const someone = person(house);
  const id = await someone.create(url);
  await someone.ask(id, "start");
  await until("the agent is frozen", 60_000, () => house.hasPassed("agent.afterHook"));
  await house.stopped("agent");
  await sleep(6_000);
  expect((await someone.stateOf(id)).state).toBe("busy");
  house.signal("agent", "SIGCONT");
  expect(await someone.outcome(id)).toEqual({ state: "running", reason: "" });
  expect(await answers(id)).toMatchObject({ "gitspace.start": "ok" });
  expect(readFileSync(home(await vmOf(id), "created"), "utf8")).toBe("once\n");
  house.disarm("agent.afterHook");
  await remove(id);
});

test("E1: a running Gitspace whose agent is killed is reached again, its files as they were and nothing else left of it", async () => {
  const someone = person(house);
  const { identifier: id } = await house.api.create(url);
  const vm = await vmOf(id);
  expect(await portPage(house.system, house.api, id, 3000, "/")).toBe("/home/dev");
  writeFileSync(home(vm, "kept.txt"), "precious");
  expect(strays()).toHaveLength(1);
  const killed = agentOf(vm);
  process.kill(killed, "SIGKILL");
  await until("the agent runs again", 30_000, () => agentOf(vm) !== killed);
  expect(await someone.opens(id)).toBe(true);
  expect(await vmOf(id)).toBe(vm);
  expect(readFileSync(home(vm, "kept.txt"), "utf8")).toBe("precious");
  expect(strays()).toEqual([]);
  expect((await someone.stateOf(id)).state).toBe("running");
  await someone.ask(id, "stop");
  expect((await someone.outcome(id)).state).toBe("stopped");
  expect(await answers(id)).toMatchObject({ "gitspace.stop": "ok", "vm.stop": "ok" });
});

test("I3 E1: a Gitspace whose VM loses its power is stopped, and starts again with its home", async () => {
  const someone = person(house);
  const { identifier: id } = await house.api.create(url);
  const vm = await vmOf(id);
  writeFileSync(home(vm, "kept.txt"), "precious");
  cutPower(vm);
  await until("the Gitspace is stopped", 110_000, async () => (await someone.stateOf(id)).state === "stopped");
  await until("the VM is removed", 60_000, () => !existsSync(join(house.data, "vms", vm)));
  await house.api.start(id);
  expect(readFileSync(home(await vmOf(id), "kept.txt"), "utf8")).toBe("precious");
  expect(readFileSync(home(await vmOf(id), "created"), "utf8")).toBe("once\n");
  expect(await someone.opens(id)).toBe(true);
});

test("I8 E1: a start whose VM loses its power comes to an end, and starting again works", async () => {
  await warm();
  const [vm = ""] = (await look(house)).warm;
  house.arm("agent.afterCloneBegun", "stop");
  const someone = person(house);
  const id = await someone.create(url);
  await someone.ask(id, "start");
  await until("the clone begins", 30_000, () => house.hasPassed("agent.afterCloneBegun"));
  cutPower(vm);
  expect(await someone.outcome(id, 90_000)).toMatchObject({ state: "error" });
  await answers(id);
  await someone.ask(id, "start");
  expect(await someone.outcome(id)).toEqual({ state: "running", reason: "" });
  expect(readFileSync(home(await vmOf(id), "hello/README.md"), "utf8")).toBe("# hello\n");
});
