// The VMs of a data folder: made, found, labelled, switched on and off, removed. The caller holds the VM's lock for each change.
import { lstat, mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { AGENT_PORT, type InstanceId, fail } from "@gitspaces/contracts";
import type { Call, Labels, Listing, ProviderVm, VmRequest } from "../../src/provider.ts";
import { addressesOf } from "./address-plan.ts";
import { syncFolder } from "./durable-file.ts";
import type { Homes } from "./homes.ts";
import { type VmRecord, folderMadeAt, readRecord, vmFolder, vmIds, writeRecord } from "./record.ts";
import { reserve, retire } from "./reservation.ts";
import { type PowerPlaces, isOn, powerDown, powerOn } from "./vm-power.ts";

/** How long an agent has to leave by itself, in milliseconds. */
const stopGraceMs = 10_000;
const removeGraceMs = 1_000;

export type Log = { info(fields: object, message: string): void; warn(fields: object, message: string): void };

/** What VMs are made with. `network` is nothing on a machine without isolation. */
export type VmMaking = PowerPlaces & { installation: string; network: string | null; homes: Homes; log: Log };

export async function createVm(making: VmMaking, request: VmRequest, call: Call): Promise<ProviderVm> {
  const { dataFolder, network, log } = making;
  const record =
    (await readRecord(dataFolder, request.id)) ?? (await reserve(dataFolder, network, request, call.signal));
  refuseIfDeleting(record);
  if (isOn(record)) return viewOf(record);
  const on = await powerOn(making, record);
  log.info({ vmId: on.id, pid: on.process?.pid }, "VM made");
  return viewOf(on);
}

export async function getVm(
  { dataFolder, installation }: Pick<VmMaking, "dataFolder" | "installation">,
  id: InstanceId,
): Promise<ProviderVm | undefined> {
  const record = await readRecord(dataFolder, id);
  if (record !== undefined) return viewOf(record);
  const createdAt = await folderMadeAt(dataFolder, id);
  if (createdAt === undefined) return undefined;
  // Its making was cut short before there was a record; it can be made whole or removed. All in this folder is ours.
  const labels = { "gs-installation": installation };
  return { id, power: "making", labels, version: "0", address: null, port: AGENT_PORT, createdAt, disks: [] };
}

export async function listVms(places: Pick<VmMaking, "dataFolder" | "installation">): Promise<Listing<ProviderVm>> {
  const items = await Promise.all((await vmIds(places.dataFolder)).map((id) => getVm(places, id)));
  return { items: items.filter((vm) => vm !== undefined), complete: true };
}

export async function labelVm(
  dataFolder: string,
  id: InstanceId,
  labels: Labels,
  ifVersion: string,
  call: Call,
): Promise<ProviderVm> {
  const record = await existing(dataFolder, id);
  const merged = { ...record.labels, ...labels };
  const isRepeated = record.labelKey === call.key && JSON.stringify(merged) === JSON.stringify(record.labels);
  if (isRepeated) return viewOf(record);
  if (String(record.version) !== ifVersion) {
    throw fail("conflict", `The labels of ${id} are at version ${record.version}, not at ${ifVersion}.`);
  }
  const labelled = { ...record, labels: merged, version: record.version + 1, labelKey: call.key };
  return viewOf(await writeRecord(dataFolder, labelled));
}

export async function startVm(making: VmMaking, id: InstanceId): Promise<ProviderVm> {
  const record = await existing(making.dataFolder, id);
  refuseIfDeleting(record);
  return viewOf(isOn(record) ? record : await powerOn(making, record));
}

export async function stopVm(dataFolder: string, id: InstanceId): Promise<void> {
  const record = await existing(dataFolder, id);
  if (record.power === "deleting") return;
  await powerDown(dataFolder, record, stopGraceMs);
  await writeRecord(dataFolder, { ...record, power: "stopped", process: null });
}

/** Removes a VM. `takeHomesOut` is called once nothing runs in it any more; what it leaves behind is put aside, not deleted. */
export async function removeVm(
  { dataFolder, homes, log }: VmMaking,
  id: InstanceId,
  takeHomesOut: (record: VmRecord | undefined) => Promise<void>,
): Promise<void> {
  // Also for a VM that never was: a create that is still on its way must not come true after this.
  await retire(dataFolder, id);
  const folder = vmFolder(dataFolder, id);
  if ((await lstat(folder.root).catch(() => undefined)) === undefined) return;
  const record = await readRecord(dataFolder, id);
  if (record !== undefined) {
    await writeRecord(dataFolder, { ...record, power: "deleting" });
    await powerDown(dataFolder, record, removeGraceMs);
  }
  await takeHomesOut(record);
  const rescued = await homes.rescue(id, folder);
  if (rescued !== undefined) log.warn({ vmId: id, rescued }, "home without a record put aside");
  const aside = join(dataFolder, "vms", `.removed-${id}`);
  await rename(folder.root, aside);
  await syncFolder(join(dataFolder, "vms"));
  await rm(aside, { recursive: true, force: true });
  log.info({ vmId: id }, "VM removed");
}

/** Finishes removals that were cut short. */
export async function sweepRemovedVms(dataFolder: string): Promise<void> {
  const vms = join(dataFolder, "vms");
  await mkdir(vms, { recursive: true });
  for (const name of await readdir(vms)) {
    if (name.startsWith(".removed-")) await rm(join(vms, name), { recursive: true, force: true });
  }
}

async function existing(dataFolder: string, id: InstanceId): Promise<VmRecord> {
  const record = await readRecord(dataFolder, id);
  if (record === undefined) throw fail("not_found", `There is no VM ${id}.`);
  return record;
}

function refuseIfDeleting({ id, power }: VmRecord): void {
  if (power === "deleting") throw fail("conflict", `The VM ${id} is being removed.`, { retry: "never" });
}

/** What is said of a VM: what its record intends, checked against what runs. */
function viewOf(record: VmRecord): ProviderVm {
  const { id, labels, version, port, createdAt, disk, network, slot, power } = record;
  return {
    id,
    power: power === "running" && !isOn(record) ? "stopped" : power,
    labels,
    version: String(version),
    address: network === null ? "127.0.0.1" : addressesOf(network, slot).vm,
    port,
    createdAt,
    disks: disk === null ? [] : [disk],
  };
}
