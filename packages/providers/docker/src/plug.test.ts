// What the plug promises whoever calls it late, and what it does with a disk that somebody prepared for it.
import type { InstanceId } from "@gitspaces/contracts";
import { expect, onTestFinished, test, vi } from "vitest";
import { ask } from "../../process/src/testing/bench.ts";
import { call, requestFor } from "../../src/testing/conformance.ts";
import { readBoxes } from "./inventory.ts";
import { plugOf } from "./plug.ts";
import { type Bench, TEST_IMAGE, openBench, testPool } from "./testing/bench.ts";

vi.setConfig({ testTimeout: 60_000 });
const disk = "home-1";

async function benchWithVm() {
  const bench = await openBench();
  onTestFinished(() => bench.close());
  const vm = await bench.provider.create(requestFor(testPool), call());
  await bench.reach(vm);
  await bench.provider.createDisk(disk, {}, call());
  const run = async (command: string) => ((await ask(vm, "run", { command })) as { stdout: string }).stdout;
  return { ...bench, vm, run };
}

async function plugging({ engine, names }: Bench, vm: InstanceId, version: number) {
  const [box] = await readBoxes(engine, names, AbortSignal.timeout(10_000), vm);
  return { disk, vm, container: box?.container ?? "", image: TEST_IMAGE, version };
}

test("whoever read that a disk belongs in a VM and slept does not put it in once it was taken out", async () => {
  const bench = await benchWithVm();
  const { engine, names, provider, vm, run } = bench;
  await provider.attachDisk(disk, vm.id, call());
  await provider.detachDisk(disk, vm.id, call());
  const plug = plugOf(engine, names);
  await expect(plug.plug(await plugging(bench, vm.id, 1), AbortSignal.timeout(10_000))).rejects.toMatchObject({
    failure: { code: "conflict", message: expect.stringContaining("version 2 was here before 1") as unknown },
  });
  expect(await run("grep -c home-disk /proc/mounts")).toBe("0\n");
});

test("a second disk is not put over the first", async () => {
  const bench = await benchWithVm();
  const { engine, names, provider, vm, run } = bench;
  await provider.attachDisk(disk, vm.id, call());
  await provider.createDisk("home-2", {}, call());
  await expect(provider.attachDisk("home-2", vm.id, call())).rejects.toMatchObject({ failure: { code: "conflict" } });
  const second = { ...(await plugging(bench, vm.id, 1)), disk: "home-2" };
  await expect(plugOf(engine, names).plug(second, AbortSignal.timeout(10_000))).rejects.toMatchObject({
    failure: { code: "conflict", message: expect.stringContaining("another disk is at /home-disk") as unknown },
  });
  expect(await run("cat /home-disk/.gitspaces/disk")).toBe("home-1\n");
});

test("a disk on which our folder leads elsewhere is marked all the same, and nothing is written there", async () => {
  const { provider, vm, run } = await benchWithVm();
  await provider.attachDisk(disk, vm.id, call());
  await provider.createDisk("home-2", {}, call());
  await run("cd /home-disk && rm -r .gitspaces && mkdir trap && ln -s trap .gitspaces");
  await provider.detachDisk(disk, vm.id, call());
  await provider.attachDisk(disk, vm.id, call());
  expect(
    await run("cat /home-disk/.gitspaces/disk; ls /home-disk/trap; stat -c '%F %a %u' /home-disk/.gitspaces"),
  ).toBe("home-1\ndirectory 700 0\n");
});
