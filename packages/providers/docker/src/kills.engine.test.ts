// kill -9 at any point: what was begun can be finished or undone by somebody else, and nothing is left behind.
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { FailureError } from "@gitspaces/contracts";
import { expect, onTestFinished, test } from "vitest";
import { call, requestFor } from "../../src/testing/conformance.ts";
import { type Bench, openBench, testPool, volumesOf } from "./testing/bench.ts";
import { type Door, openDoor } from "./testing/door.ts";

const victim = fileURLToPath(new URL("testing/victim.ts", import.meta.url));
const KILLS = 8;
const disk = "home-a1b2c3";

test("killed before any of its changes, a process leaves what another finishes", { timeout: 120_000 }, async () => {
  const bench = await openBench();
  onTestFinished(() => bench.close());
  const { provider, engine, names } = bench;
  const door = await openDoor(engine.socketPath);
  onTestFinished(() => door.close());

  const whole = await live(bench, door, Number.POSITIVE_INFINITY);
  expect(whole.isDone).toBe(true);
  const ends = Array.from({ length: KILLS }, (_, index) => 1 + Math.floor(((index + 0.5) * whole.changes) / KILLS));
  for (const end of ends) {
    const { id, killedAt } = await live(bench, door, end);
    expect([killedAt, await finish(bench, id, / \/\S+\/stop\?/.test(killedAt))]).toEqual([killedAt, "precious"]);
    await provider.remove(id, call());
    await provider.removeDisk(disk, call());
    expect([killedAt, await provider.get(id, call())]).toEqual([killedAt, undefined]);
    expect([killedAt, (await provider.listDisks(call())).items]).toEqual([killedAt, []]);
  }
  const left = (await volumesOf(engine, names)).filter((name) => !name.includes(".gone."));
  expect(left).toEqual([names.images]);
});

/** A second runner goes on where the first one died; gives what it finds on the disk. */
async function finish(bench: Bench, id: string, isStopping: boolean): Promise<string | undefined> {
  const { provider, reach, writeHome, readHome } = bench;
  await provider.createDisk(disk, {}, call());
  const wanted = { ...requestFor(testPool, { "gs-pool": "default" }), id };
  const made = await provider.create(wanted, call()).catch((error: unknown) => {
    if (error instanceof FailureError && error.failure.retry === "never") return error;
    throw error;
  });
  // The first one had begun to remove it: then that is finished and another VM takes the disk.
  const isGone = made instanceof FailureError;
  if (isGone) await provider.remove(id, call());
  const vm = isGone ? await provider.create(requestFor(testPool), call()) : made;
  // A stop that was asked for comes true at some time: asked for once more, it has been when we are answered.
  if (isStopping) {
    await provider.stop(vm.id, call());
    await provider.start(vm.id, call());
  }
  await reach(vm);
  const labelled = await provider.label(vm.id, { "gs-task": "t" }, vm.version, call());
  expect(labelled.labels).toMatchObject(isGone ? { "gs-task": "t" } : { "gs-pool": "default", "gs-task": "t" });
  // The last change that the first one asked for may come true only now: a disk that it removed is made again.
  await provider.attachDisk(disk, vm.id, call()).catch(async (error: unknown) => {
    if (!(error instanceof FailureError) || error.failure.code !== "not_found") throw error;
    await provider.createDisk(disk, {}, call());
    await provider.attachDisk(disk, vm.id, call());
  });
  await writeHome(vm, "work", "precious");
  const found = await readHome(vm, "work");
  if (isGone) await provider.remove(vm.id, call());
  return found;
}

type Life = { id: string; changes: number; isDone: boolean; killedAt: string };

/** Lets a victim live until it asks for the change of this number, which is still let in. */
async function live({ options }: Bench, door: Door, end: number): Promise<Life> {
  const child = fork(victim, [], { execPath: process.execPath, execArgv: [] });
  const exited = once(child, "exit");
  const life: Life = { id: requestFor(testPool).id, changes: 0, isDone: false, killedAt: "" };
  let hasBegun = false;
  door.watch((line) => {
    if (!hasBegun) return;
    life.changes += 1;
    if (life.changes !== end) return;
    life.killedAt = `${end}: ${line}`;
    child.kill("SIGKILL");
  });
  child.on("message", (message) => {
    if (message === "begun") hasBegun = true;
    if (message === "done") {
      life.isDone = true;
      child.kill("SIGKILL");
    }
  });
  const wanted = { ...requestFor(testPool, { "gs-pool": "default" }), id: life.id };
  child.send({ options: { ...options, log: undefined, socketPath: door.path }, wanted, disk });
  await exited;
  return life;
}
