// A system to measure: `bin/up` in a data folder of its own, gone when the measurement is over.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Api, apiClient } from "../e2e/api.ts";
import { provider } from "../e2e/provider.ts";
import { newDataFolder, removeSystem, startSystem, type System } from "../e2e/system.ts";

export type Installation = {
  system: System;
  api: Api;
  /** Waits until this many VMs stand ready in a pool (`default`). */
  waitForWarm(count: number, pool?: string): Promise<void>;
  /** Removes a Gitspace and waits until it is gone. */
  remove(id: string): Promise<void>;
} & AsyncDisposable;

/** Starts one with a pool that keeps `warm` VMs. */
export async function openInstallation(wanted: { warm: number; vmHostPorts?: number[] }): Promise<Installation> {
  const data = newDataFolder();
  const pool = { name: "default", default: true, ...provider.pool(), warm: wanted.warm, max: 20 };
  // JSON is YAML too.
  writeFileSync(join(data, "pool.yml"), JSON.stringify({ version: "1", instances: [pool] }));
  return await openInstallationOn(data, wanted.vmHostPorts ?? []);
}

/** Starts one on a data folder that has its pool.yml; it is removed at the end. */
export async function openInstallationOn(data: string, vmHostPorts: number[]): Promise<Installation> {
  let system: System;
  try {
    system = await startSystem({ data, vmHostPorts });
  } catch (error) {
    await removeSystem(data);
    throw error;
  }
  const api = apiClient(system.ready.ui, system.adminToken);
  return {
    system,
    api,
    waitForWarm: (count, pool = "default") =>
      until(async () => (await warmVms(system, pool)) >= count, `${count} warm VMs of ${pool}`),
    async remove(id) {
      await api.call("DELETE", `gitspaces/${id}`);
      const isGone = async () =>
        !(await api.call<{ identifier: string }[]>("GET", "gitspaces")).some((each) => each.identifier === id);
      await until(isGone, `the end of ${id}`);
    },
    [Symbol.asyncDispose]: () => removeSystem(data),
  };
}

async function warmVms({ ready }: System, pool: string): Promise<number> {
  const port = ready.ports["runner_admin"];
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const line = metrics
    .split("\n")
    .find((each) => each.startsWith(`gitspaces_runner_vms{pool="${pool}",state="warm"} `));
  return Number(line?.split(" ").at(-1) ?? 0);
}

const DEADLINE_MS = 60_000;

async function until(claim: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!(await claim())) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${DEADLINE_MS / 1_000} s`);
    await sleep(25);
  }
}
