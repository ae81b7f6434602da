// kill -9 at any point: what was begun can be finished or undone by somebody else, and a home is never lost (I3).
import { fork } from "node:child_process";
import { once } from "node:events";
import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { VmRequest } from "../../src/provider.ts";
import { call, request } from "../../src/testing/conformance.ts";
import { installationPrefix } from "./address-plan.ts";
import { canIsolate } from "./can-isolate.ts";
import { namespacesAndCables } from "./namespace.ts";
import { type Bench, openBench } from "./testing/bench.ts";

const kinds = canIsolate().ok ? (["none", "namespace"] as const) : (["none"] as const);
const victim = fileURLToPath(new URL("testing/victim.ts", import.meta.url));
const rounds = 8;

test.each(kinds)(
  "killed anywhere between create and remove, VM and home come to order (%s)",
  { timeout: 90_000 },
  async (kind) => {
    const bench = await openBench(kind);
    const { options, provider } = bench;
    const disk = "home-a1b2c3";
    await provider.createDisk(disk, {}, call());
    await writeFile(join(options.dataFolder, "homes", disk, "work"), "precious");
    for (let round = 0; round < rounds; round += 1) {
      const wanted = request();
      await liveUntil(round * 18, { options: { ...options, log: undefined }, wanted, disk });

      const seen = (await provider.list(call())).items.find(({ id }) => id === wanted.id);
      const isWhole = seen !== undefined && seen.power !== "deleting";
      expect([round, isWhole ? await finish(bench, wanted, disk) : "precious"]).toEqual([round, "precious"]);
      await provider.remove(wanted.id, call());
      expect([round, await readFile(join(options.dataFolder, "homes", disk, "work"), "utf8")]).toEqual([
        round,
        "precious",
      ]);
    }
    expect((await provider.list(call())).items).toEqual([]);
    expect((await provider.listDisks(call())).items).toEqual([expect.objectContaining({ id: disk, attachedTo: null })]);
    expect((await readdir(join(options.dataFolder, "vms"))).filter((name) => name.startsWith("vm-"))).toEqual([]);
    expect(await namespacesAndCables(installationPrefix(options.network))).toEqual([]);
    await bench.close();
  },
);

/** A second runner goes on where the first one died; gives what it finds in the home. */
async function finish(bench: Bench, wanted: VmRequest, disk: string): Promise<string | undefined> {
  const vm = await bench.provider.create(wanted, call());
  await bench.reach(vm);
  await bench.provider.attachDisk(disk, vm.id, call());
  return bench.readHome(vm, "work");
}

/** Lets a victim work for `afterMs` and kills it. */
async function liveUntil(afterMs: number, work: object): Promise<void> {
  const child = fork(victim, [], { execPath: process.execPath, execArgv: [] });
  const exited = once(child, "exit");
  child.send(work);
  await once(child, "message");
  await sleep(afterMs);
  child.kill("SIGKILL");
  await exited;
}
