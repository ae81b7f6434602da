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
  /** Waits until this many VMs stand ready. */
  waitForWarm(count: number): Promise<void>;
  /** Removes a Gitspace and waits until it is gone. */
  remove(id: string): Promise<void>;
} & AsyncDisposable;

/** Starts it with a pool that keeps `warm` VMs. */
export async function openInstallation({
  warm,
  vmHostPorts = [],
  preload,
}: {
  warm: number;
  vmHostPorts?: number[];
  /** Images that each VM holds, where VMs hold images. */
  preload?: string[];
}): Promise<Installation> {
  const data = newDataFolder();
  const pool = { name: "default", default: true, ...provider.pool(preload), warm, max: 20 };
  // JSON is YAML too.
  writeFileSync(join(data, "pool.yml"), JSON.stringify({ version: "1", instances: [pool] }));
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
    waitForWarm: (count) => until(async () => (await warmVms(system)) >= count, `${count} warm VMs`),
    async remove(id) {
      await api.call("DELETE", `gitspaces/${id}`);
      const isGone = async () =>
        !(await api.call<{ identifier: string }[]>("GET", "gitspaces")).some((each) => each.identifier === id);
      await until(isGone, `the end of ${id}`);
    },
    [Symbol.asyncDispose]: () => removeSystem(data),
  };
}

async function warmVms({ ready }: System): Promise<number> {
  const port = ready.ports["runner_admin"];
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(/gitspaces_runner_vms\{pool="default",state="warm"\} (\d+)/.exec(metrics)?.[1] ?? 0);
}

const DEADLINE_MS = 60_000;

async function until(claim: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!(await claim())) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${DEADLINE_MS / 1_000} s`);
    await sleep(25);
  }
}
