// Everything off at once: what `bin/down` needs, without a provider.
import { realpath } from "node:fs/promises";
import { installationPrefix } from "./address-plan.ts";
import { whileLocked } from "./lock.ts";
import { namespacesAndCables, razeNamespace } from "./namespace.ts";
import { rememberedNetwork } from "./network.ts";
import { endProcesses, processesInNamespace } from "./processes.ts";
import { readRecord, vmIds, writeRecord } from "./record.ts";
import { powerDown } from "./vm-power.ts";

/**
 * Ends every process of every VM of a data folder and removes their networks. Folders, records and homes stay: each VM is
 * found again as `stopped`, with its home in it. Agents have `graceMs` (2 s) to leave by themselves.
 */
export async function powerOff(dataFolder: string, { graceMs = 2_000 }: { graceMs?: number } = {}): Promise<void> {
  const folder = await realpath(dataFolder).catch(() => undefined);
  if (folder === undefined) return;
  await Promise.all((await vmIds(folder)).map((id) => switchOff(folder, id, graceMs)));
  const network = await rememberedNetwork(folder);
  if (network === undefined || process.getuid?.() !== 0) return;
  for (const name of await namespacesAndCables(installationPrefix(network))) {
    await endProcesses(
      () => processesInNamespace(name),
      () => true,
      0,
    );
    await razeNamespace(name);
  }
}

async function switchOff(dataFolder: string, id: string, graceMs: number): Promise<void> {
  await whileLocked(dataFolder, `VM ${id}`, AbortSignal.timeout(60_000), async () => {
    const record = await readRecord(dataFolder, id);
    if (record === undefined) return;
    await powerDown(dataFolder, record, graceMs);
    if (record.power === "running") await writeRecord(dataFolder, { ...record, power: "stopped", process: null });
  });
}
