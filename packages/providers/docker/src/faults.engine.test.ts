// Containers killed, VMs that reboot, an engine that is slow or away: what is said of it, and how it comes to order.
import { z } from "zod";
import { expect, onTestFinished, test, vi } from "vitest";
import { call, requestFor } from "../../src/testing/conformance.ts";
import { type Engine, filters } from "./engine.ts";
import { dockerProvider } from "./index.ts";
import { mark } from "./names.ts";
import { openBench, testPool, volumesOf } from "./testing/bench.ts";
import { openDoor } from "./testing/door.ts";

// Several containers are made and ended in each; on a machine with other work that takes its time.
vi.setConfig({ testTimeout: 60_000 });

const Id = z.looseObject({ Id: z.string() });
const Found = z.array(Id);

async function bench() {
  const opened = await openBench();
  onTestFinished(() => opened.close());
  return opened;
}

/** Starts a command in a container and leaves it to itself. */
async function runIn(engine: Engine, container: string, Cmd: string[]): Promise<void> {
  const signal = AbortSignal.timeout(10_000);
  const { Id: id } = await engine.ask(Id, "POST", `/containers/${container}/exec`, { body: { Cmd }, signal });
  await engine.tell("POST", `/exec/${id}/start`, { body: { Detach: true }, signal });
}

test("a VM whose container was killed is stopped, and starts again with its disk", async () => {
  const { provider, reach, writeHome, readHome, engine, names } = await bench();
  const vm = await provider.create(requestFor(testPool), call());
  await provider.createDisk("home-1", {}, call());
  await provider.attachDisk("home-1", vm.id, call());
  await reach(vm);
  await writeHome(vm, "work", "half done");
  await engine.tell("POST", `/containers/${names.vm(vm.id)}/kill`, { signal: AbortSignal.timeout(10_000) });
  expect(await provider.get(vm.id, call())).toMatchObject({ power: "stopped", address: null, disks: ["home-1"] });
  const again = await provider.start(vm.id, call());
  await reach(again);
  expect(await readHome(again, "work")).toBe("half done");
});

test("a VM that rebooted behind our back gets its disk again", async () => {
  const { provider, reach, writeHome, readHome, engine, names } = await bench();
  const vm = await provider.create(requestFor(testPool), call());
  await provider.createDisk("home-1", {}, call());
  await provider.attachDisk("home-1", vm.id, call());
  await reach(vm);
  await writeHome(vm, "work", "half done");
  await engine.tell("POST", `/containers/${names.vm(vm.id)}/restart`, {
    query: { t: 0 },
    signal: AbortSignal.timeout(10_000),
  });
  const again = await provider.get(vm.id, call());
  await reach(again!);
  await expect.poll(() => readHome(again!, "work"), { timeout: 5_000, interval: 50 }).toBe("half done");
});

test("a disk that something in the VM still uses stays in it, and nobody else gets it", async () => {
  const { provider, engine, names } = await bench();
  const [one, two] = await Promise.all([
    provider.create(requestFor(testPool), call()),
    provider.create(requestFor(testPool), call()),
  ]);
  await provider.createDisk("home-1", {}, call());
  await provider.attachDisk("home-1", one.id, call());
  await runIn(engine, names.vm(one.id), ["sh", "-c", "cd /home-disk && exec sleep 30"]);
  await expect(provider.detachDisk("home-1", one.id, call())).rejects.toMatchObject({
    failure: { code: "conflict", message: expect.stringContaining("still has it at /home-disk") },
  });
  await expect(provider.attachDisk("home-1", two.id, call())).rejects.toMatchObject({ failure: { code: "conflict" } });
  await provider.remove(one.id, call());
  await provider.attachDisk("home-1", two.id, call());
});

test("an engine that does not answer in time gives an incomplete list, one that is away a failure that says so", async () => {
  const { provider, options } = await bench();
  const vm = await provider.create(requestFor(testPool), call());
  const door = await openDoor(options.socketPath);
  onTestFinished(() => door.close());
  const through = await dockerProvider({ ...options, socketPath: door.path, listMs: 300 });
  onTestFinished(() => through[Symbol.asyncDispose]());
  expect(await through.list(call())).toMatchObject({ items: [{ id: vm.id }], complete: true });
  door.hold();
  expect(await through.list(call())).toEqual({ items: [], complete: false });
  await door.close();
  await expect(through.list(call())).rejects.toMatchObject({
    failure: { code: "vm_unreachable", retry: "later", message: expect.stringContaining("GITSPACES_DOCKER_SOCKET") },
  });
});

test("a plug container that is broken or gone is replaced", async () => {
  const { provider, engine, names, reach, writeHome, readHome } = await bench();
  const vm = await provider.create(requestFor(testPool), call());
  await reach(vm);
  const signal = AbortSignal.timeout(20_000);
  for (const [index, harm] of ["", "/kill", "/stop"].entries()) {
    const disk = `home-${index}`;
    await provider.createDisk(disk, {}, call());
    await provider.attachDisk(disk, vm.id, call());
    await writeHome(vm, "mine", disk);
    expect([harm, await readHome(vm, ".gitspaces/disk")]).toEqual([harm, `${disk}\n`]);
    await provider.detachDisk(disk, vm.id, call());
    const [plug] = await engine.ask(Found, "GET", "/containers/json", {
      query: filters({ label: [`${mark.installation}=${names.installation}`, `${mark.kind}=plug`] }),
      signal,
    });
    if (harm === "") await engine.tell("DELETE", `/containers/${plug!.Id}`, { query: { force: true }, signal });
    else await engine.tell("POST", `/containers/${plug!.Id}${harm}`, { query: { t: 0 }, signal });
  }
});

test("an image that the engine lacks is named with its cure, and leaves nothing", async () => {
  const { provider, engine, names } = await bench();
  const wanted = requestFor({ ...testPool, image: "gitspaces-provider-test/none:latest" });
  await expect(provider.create(wanted, call())).rejects.toMatchObject({
    failure: { code: "not_found", field: "image", message: expect.stringContaining("bin/up builds the VM image") },
  });
  await provider.remove(wanted.id, call());
  expect((await volumesOf(engine, names)).filter((name) => name.includes(".engine"))).toEqual([]);
});

test("a VM that rebooted is where it was, though a lower address was free", async () => {
  const { provider, reach, engine, names } = await bench();
  const [first, second] = [
    await provider.create(requestFor(testPool), call()),
    await provider.create(requestFor(testPool), call()),
  ];
  await provider.remove(first.id, call());
  await reach(second);
  const signal = AbortSignal.timeout(10_000);
  await engine.tell("POST", `/containers/${names.vm(second.id)}/restart`, { query: { t: 0 }, signal });
  expect(await provider.get(second.id, call())).toEqual(second);
  await reach(second);
});

test("on a network that somebody else made, VMs have the addresses that the engine gives", async () => {
  const { options, engine, reach } = await bench();
  const network = `${options.installation}-other`;
  const signal = AbortSignal.timeout(10_000);
  const labels = { [mark.installation]: options.installation };
  await engine.tell("POST", "/networks/create", { body: { Name: network, Labels: labels }, signal });
  const provider = await dockerProvider({ ...options, network });
  onTestFinished(() => provider[Symbol.asyncDispose]());
  const vm = await provider.create(requestFor(testPool), call());
  await reach(vm);
  expect((await provider.list(call())).items).toEqual([vm]);
  await provider.remove(vm.id, call());
});
