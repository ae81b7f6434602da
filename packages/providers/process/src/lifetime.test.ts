// VMs and homes outlive whoever made them, and end without a trace when they are told to.
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { ProviderVm } from "../../src/provider.ts";
import { call, request } from "../../src/testing/conformance.ts";
import { installationPrefix } from "./address-plan.ts";
import { canIsolate } from "./can-isolate.ts";
import { attempt } from "./command.ts";
import { powerOff, removeNetwork } from "./index.ts";
import { namespacesAndCables } from "./namespace.ts";
import { isAlive } from "./processes.ts";
import { type VmRecord, readRecord, vmFolder } from "./record.ts";
import { ask, openBench } from "./testing/bench.ts";
import { vmProcesses } from "./vm-processes.ts";

const kinds = canIsolate().ok ? (["none", "namespace"] as const) : (["none"] as const);
const maker = fileURLToPath(new URL("testing/maker.ts", import.meta.url));

test.each(kinds)("a VM survives kill -9 of the process that made it, and the next one adopts it (%s)", async (kind) => {
  await using bench = disposable(await openBench(kind));
  const wanted = request({ "gs-pool": "default" });
  const child = fork(maker, [], { execPath: process.execPath, execArgv: [] });
  child.send({ options: { ...bench.options, log: undefined }, wanted });
  const [made] = (await once(child, "message")) as [ProviderVm];
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
  const adopter = await bench.reopen();
  expect(await adopter.get(wanted.id, call())).toEqual(made);
  expect(await ask(made, "hello")).toBe(wanted.id);
  await adopter.remove(wanted.id, call());
  await expect(ask(made, "hello")).rejects.toThrow("fetch failed");
});

test.each(kinds)("a VM whose process died is listed as stopped, and starts again (%s)", async (kind) => {
  await using bench = disposable(await openBench(kind));
  const vm = await bench.provider.create(request(), call());
  await bench.reach(vm);
  const { process: first } = await recordOf(bench.options.dataFolder, vm.id);
  process.kill(-first!.pid, "SIGKILL");
  await expect.poll(async () => (await bench.provider.get(vm.id, call()))?.power).toBe("stopped");
  await bench.reach(await bench.provider.start(vm.id, call()));
});

test.each(kinds)(
  "E1: an agent that is killed is started again in the same VM, with the same home (%s)",
  async (kind) => {
    await using bench = disposable(await openBench(kind));
    const vm = await bench.provider.create(request(), call());
    const before = (await ask(vm, "process")) as { pid: number };
    await bench.writeHome(vm, "work", "precious");
    // From inside, since only there its number means this process.
    await ask(vm, "run", { command: `kill -KILL ${before.pid}` }).catch(() => {});
    await expect.poll(() => ask(vm, "process")).not.toEqual(before);
    expect(await bench.readHome(vm, "work")).toBe("precious");
    expect(await bench.provider.get(vm.id, call())).toEqual(vm);
    const begun = performance.now();
    await bench.provider.stop(vm.id, call());
    expect(performance.now() - begun).toBeLessThan(8_000);
    await expect(ask(vm, "hello")).rejects.toThrow("fetch failed");
  },
);

test.each(kinds)(
  "a VM whose outermost process alone was killed is off, and what is left of it ends (%s)",
  async (kind) => {
    await using bench = disposable(await openBench(kind));
    const { dataFolder } = bench.options;
    const vm = await bench.provider.create(request(), call());
    await bench.reach(vm);
    process.kill((await recordOf(dataFolder, vm.id)).process!.pid, "SIGKILL");
    await expect.poll(async () => (await bench.provider.get(vm.id, call()))?.power).toBe("stopped");
    await bench.reach(await bench.provider.start(vm.id, call()));
    await bench.provider.remove(vm.id, call());
    await expect(ask(vm, "hello")).rejects.toThrow("fetch failed");
  },
);

test.each(kinds)("power off ends every process, and homes are found where they were (%s)", async (kind) => {
  await using bench = disposable(await openBench(kind));
  const { dataFolder } = bench.options;
  const vm = await bench.provider.create(request(), call());
  await bench.provider.createDisk("home-a1b2c3", {}, call());
  await bench.provider.attachDisk("home-a1b2c3", vm.id, call());
  await bench.writeHome(vm, "work", "precious");
  await ask(vm, "run", { command: "setsid sleep 300 >/dev/null 2>&1 &" });
  const { process: first } = await recordOf(dataFolder, vm.id);
  await powerOff(dataFolder);
  await powerOff(dataFolder);
  expect(isAlive(first)).toBe(false);
  expect(vmProcesses(dataFolder, await recordOf(dataFolder, vm.id))).toEqual([]);
  expect(await namespacesAndCables(installationPrefix(bench.options.network))).toEqual([]);
  expect(await bench.provider.get(vm.id, call())).toMatchObject({ power: "stopped", disks: ["home-a1b2c3"] });
  await bench.provider.remove(vm.id, call());
  expect(await readFile(join(dataFolder, "homes", "home-a1b2c3", "work"), "utf8")).toBe("precious");
});

test.each(kinds)("a VM that was switched on a moment ago is found and ended (%s)", async (kind) => {
  await using bench = disposable(await openBench(kind));
  const { dataFolder } = bench.options;
  const vms = [request(), request(), request()];
  for (const wanted of vms) {
    await bench.provider.create(wanted, call());
    expect(vmProcesses(dataFolder, await recordOf(dataFolder, wanted.id))).not.toEqual([]);
    await powerOff(dataFolder, { graceMs: 0 });
    expect(vmProcesses(dataFolder, await recordOf(dataFolder, wanted.id))).toEqual([]);
  }
});

test.each(kinds)("processes that left the VM's session end with the VM (%s)", async (kind) => {
  await using bench = disposable(await openBench(kind));
  const vm = await bench.provider.create(request(), call());
  const mark = `86399.${Date.now() % 1_000_000}`;
  await ask(vm, "run", { command: `env -u GITSPACES_STATE_FOLDER setsid setsid sleep ${mark} >/dev/null 2>&1 &` });
  await expect.poll(() => running(mark)).toBe(true);
  await bench.provider.remove(vm.id, call());
  expect(await running(mark)).toBe(false);
});

test.each(kinds)("a home is not lost with a VM whose record is lost (%s)", async (kind) => {
  await using bench = disposable(await openBench(kind));
  const { dataFolder } = bench.options;
  const vm = await bench.provider.create(request(), call());
  await bench.provider.createDisk("home-a1b2c3", {}, call());
  await bench.provider.attachDisk("home-a1b2c3", vm.id, call());
  await bench.writeHome(vm, "work", "precious");
  await powerOff(dataFolder);
  await rm(vmFolder(dataFolder, vm.id).record);
  expect(await bench.provider.get(vm.id, call())).toMatchObject({
    power: "making",
    labels: { "gs-installation": "test" },
  });
  await bench.provider.remove(vm.id, call());
  expect(await readFile(join(dataFolder, "homes", "home-a1b2c3", "work"), "utf8")).toBe("precious");
  expect((await bench.provider.listDisks(call())).items).toEqual([expect.objectContaining({ attachedTo: null })]);
});

test.each(kinds)(
  "a VM that was only about to get a home does not take it from the VM that has it (%s)",
  async (kind) => {
    await using bench = disposable(await openBench(kind));
    const { dataFolder } = bench.options;
    const [one, two] = [await bench.provider.create(request(), call()), await bench.provider.create(request(), call())];
    await bench.provider.createDisk("home-a1b2c3", {}, call());
    await writeFile(
      vmFolder(dataFolder, one.id).record,
      JSON.stringify({ ...(await recordOf(dataFolder, one.id)), disk: "home-a1b2c3" }),
    );
    await bench.provider.attachDisk("home-a1b2c3", two.id, call());
    await bench.writeHome(two, "work", "precious");
    await bench.provider.remove(one.id, call());
    expect(await bench.readHome(two, "work")).toBe("precious");
    expect((await bench.provider.listDisks(call())).items).toEqual([expect.objectContaining({ attachedTo: two.id })]);
    await bench.provider.remove(two.id, call());
    expect(await readFile(join(dataFolder, "homes", "home-a1b2c3", "work"), "utf8")).toBe("precious");
  },
);

test.each(kinds)(
  "what an agent left in a home that is otherwise blank is the next agent's to change (%s)",
  async (kind) => {
    await using bench = disposable(await openBench(kind));
    await bench.provider.createDisk("home-a1b2c3", {}, call());
    for (const generation of ["1", "2"]) {
      const vm = await bench.provider.create(request(), call());
      await bench.provider.attachDisk("home-a1b2c3", vm.id, call());
      await bench.writeHome(vm, ".gitspaces/generation", generation);
      expect(await bench.readHome(vm, ".gitspaces/generation")).toBe(generation);
      await bench.provider.remove(vm.id, call());
    }
  },
);

test.each(kinds)("a home that no record knows of is put aside when its VM goes (%s)", async (kind) => {
  await using bench = disposable(await openBench(kind));
  const { dataFolder } = bench.options;
  const vm = await bench.provider.create(request(), call());
  const marker = join(vmFolder(dataFolder, vm.id).home, ".gitspaces");
  await mkdir(marker);
  await writeFile(join(marker, "disk"), "home-a1b2c3");
  await bench.provider.remove(vm.id, call());
  const [aside] = await readdir(join(dataFolder, "homes", ".rescued"));
  expect(await readFile(join(dataFolder, "homes", ".rescued", aside!, ".gitspaces", "disk"), "utf8")).toBe(
    "home-a1b2c3",
  );
});

test("a VM folder left half made is listed as making, and can be made whole or removed", async () => {
  await using bench = disposable(await openBench("none"));
  const { dataFolder } = bench.options;
  const [whole, gone] = [request(), request()];
  for (const { id } of [whole, gone]) await mkdir(join(dataFolder, "vms", id));
  const listed = (await bench.provider.list(call())).items;
  expect(listed.map(({ power }) => power)).toEqual(["making", "making"]);
  await bench.reach(await bench.provider.create(whole, call()));
  await bench.provider.remove(gone.id, call());
  expect((await bench.provider.list(call())).items.map(({ id }) => id)).toEqual([whole.id]);
});

test("a process id that somebody else has now is neither taken for the VM's nor ended", async () => {
  await using bench = disposable(await openBench("none"));
  const vm = await bench.provider.create(request(), call());
  await bench.provider.stop(vm.id, call());
  const path = vmFolder(bench.options.dataFolder, vm.id).record;
  const record = JSON.parse(await readFile(path, "utf8")) as VmRecord;
  await writeFile(path, JSON.stringify({ ...record, power: "running", process: { pid: process.pid, startTime: "1" } }));
  expect(await bench.provider.get(vm.id, call())).toMatchObject({ power: "stopped" });
  await bench.provider.remove(vm.id, call());
});

test("a disk's marker is written into the home and never through a link in it", async () => {
  await using bench = disposable(await openBench("none"));
  const { dataFolder } = bench.options;
  await bench.provider.createDisk("home-a1b2c3", {}, call());
  const home = join(dataFolder, "homes", "home-a1b2c3");
  const victim = join(dataFolder, "victim");
  await mkdir(victim);
  await rm(join(home, ".gitspaces"), { recursive: true });
  await attempt("ln", ["-s", victim, join(home, ".gitspaces")]);
  const vm = await bench.provider.create(request(), call());
  await bench.provider.attachDisk("home-a1b2c3", vm.id, call());
  expect(await readdir(victim)).toEqual([]);
  expect(await bench.readHome(vm, ".gitspaces/disk")).toBe("home-a1b2c3");
});

const isolating = kinds.filter((kind) => kind === "namespace");

test.each(isolating)("removing the network leaves no chain, namespace, cable, route or address (%s)", async (kind) => {
  await using bench = disposable(await openBench(kind, [7404]));
  const { network, enrolAddress, dataFolder } = bench.options;
  await bench.provider.create(request(), call());
  expect(await traces(network, enrolAddress)).not.toEqual([]);
  await powerOff(dataFolder);
  await removeNetwork(network);
  await removeNetwork(network);
  expect(await traces(network, enrolAddress)).toEqual([]);
});

test.each(isolating)("opening twice leaves each rule once (%s)", async (kind) => {
  await using bench = disposable(await openBench(kind, [7404]));
  const before = await traces(bench.options.network, bench.options.enrolAddress);
  await bench.reopen();
  expect(await traces(bench.options.network, bench.options.enrolAddress)).toEqual(before);
});

async function traces(network: string, enrolAddress: string): Promise<string[]> {
  const listings = await Promise.all([
    attempt("iptables-save", []),
    attempt("ip", ["-o", "address"]),
    attempt("ip", ["netns"]),
  ]);
  const words = [installationPrefix(network), installationPrefix(network).toUpperCase(), `${enrolAddress}/32`, network];
  const lines = listings.flatMap(({ stdout }) => stdout.split("\n"));
  return lines.filter((line) => !line.startsWith("#") && words.some((word) => line.includes(word)));
}

async function running(argument: string): Promise<boolean> {
  const { stdout } = await attempt("ps", ["-e", "-o", "args"]);
  return stdout.split("\n").some((line) => line.startsWith(`sleep ${argument}`));
}

async function recordOf(dataFolder: string, id: string): Promise<VmRecord> {
  const record = await readRecord(dataFolder, id);
  if (record === undefined) throw new Error(`no record of ${id}`);
  return record;
}

function disposable<T extends { close(): Promise<void> }>(bench: T): T & AsyncDisposable {
  return { ...bench, [Symbol.asyncDispose]: () => bench.close() };
}
