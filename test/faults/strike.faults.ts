// A strike by itself, at processes that only sleep: one that killed nobody is no strike.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import type { Victim } from "./house.ts";
import { type Struck, under } from "./strike.ts";

const sleepers = new Map<Victim, ChildProcess>();

afterEach(async () => {
  for (const child of sleepers.values()) if (child.kill("SIGKILL")) await once(child, "exit");
  sleepers.clear();
});

async function sleeper(name: Victim): Promise<ChildProcess> {
  const child = spawn("sleep", ["60"], { stdio: "ignore" });
  await once(child, "spawn");
  sleepers.set(name, child);
  return child;
}

/** A house of sleepers. What was armed counts as passed when `pass` was called, whatever it did to its process. */
function houseOf(): Struck & { armed: string[]; pass(): void } {
  let isPassed = false;
  const pids = (victim: Victim) => [sleepers.get(victim)?.pid].filter((pid) => pid !== undefined);
  const armed: string[] = [];
  return {
    armed,
    pass: () => void (isPassed = true),
    arm: (name, action) => void armed.push(`${name} ${action}`),
    hasPassed: () => isPassed,
    pids,
    signal: (victim, signal) => void sleepers.get(victim)?.kill(signal),
    stopped: async () => undefined,
  };
}

test("E1: a process that its own failpoint kills was struck", async () => {
  const runner = await sleeper("runner");
  const house = houseOf();
  const reached = await under(house, { point: "runner.afterReserve", victim: "runner", act: "start" }, async () => {
    runner.kill("SIGKILL");
    house.pass();
  });
  expect(await reached()).toBeLessThanOrEqual(performance.now());
  expect(house.armed).toEqual(["runner.afterReserve kill"]);
});

test("E1: an agent that came after the failpoint was armed, and is killed by it, was struck", async () => {
  const settled = await sleeper("agent");
  const house = houseOf();
  const reached = await under(house, { point: "agent.afterImage", victim: "agent", act: "restart" }, async () => {
    const newcomer = await sleeper("agent");
    await sleep(300);
    newcomer.kill("SIGKILL");
    house.pass();
  });
  expect(await reached()).toBeLessThanOrEqual(performance.now());
  expect(settled.kill("SIGKILL")).toBe(true);
});

test("E1: another process is killed while the owner of the failpoint stands still at it, and that one goes on", async () => {
  const [runner, gateway] = [await sleeper("runner"), await sleeper("gateway")];
  const house = houseOf();
  const reached = await under(house, { point: "runner.afterReserve", victim: "gateway", act: "start" }, async () => {
    runner.kill("SIGSTOP");
    house.pass();
  });
  expect(await reached()).toBeLessThanOrEqual(performance.now());
  expect(house.armed).toEqual(["runner.afterReserve stop"]);
  expect(gateway.signalCode ?? (await once(gateway, "exit"))[1]).toBe("SIGKILL");
  expect(runner.exitCode).toBe(null);
});

test("E1: a failpoint that was passed by a process that lives on struck nobody", async () => {
  await sleeper("runner");
  const house = houseOf();
  const reached = await under(house, { point: "runner.afterReserve", victim: "runner", act: "start" }, async () =>
    house.pass(),
  );
  expect(await reached()).toBe(undefined);
});

test("E1: a victim that was gone before the failpoint was passed was not struck at it", async () => {
  await sleeper("runner");
  const gateway = await sleeper("gateway");
  const house = houseOf();
  const reached = await under(house, { point: "runner.afterReserve", victim: "gateway", act: "start" }, async () => {
    gateway.kill("SIGKILL");
    await once(gateway, "exit");
    house.pass();
  });
  expect(await reached()).toBe(undefined);
});

test("E1: a failpoint that is passed only after its action was judged strikes nobody any more", async () => {
  await sleeper("runner");
  const gateway = await sleeper("gateway");
  const house = houseOf();
  const cell = { point: "runner.afterReserve", victim: "gateway", act: "start" } as const;
  const reached = await under(house, cell, async () => undefined);
  expect(await reached()).toBe(undefined);
  house.pass();
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(gateway.signalCode).toBe(null);
});
