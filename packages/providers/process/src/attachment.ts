// Which home is in which VM: two records that agree, and the move between them. The caller holds both locks.
import { type InstanceId, fail } from "@gitspaces/contracts";
import { addressesOf } from "./address-plan.ts";
import type { Homes } from "./homes.ts";
import { type VmRecord, readRecord, vmFolder, writeRecord } from "./record.ts";

/**
 * Brings a home into a VM, running or not.
 * @throws {FailureError} `conflict` when either is taken, `not_found` when either does not exist.
 */
export async function attach(dataFolder: string, homes: Homes, disk: string, vm: InstanceId): Promise<void> {
  const record = await readRecord(dataFolder, vm);
  if (record === undefined) throw fail("not_found", `There is no VM ${vm}.`);
  if (record.power === "deleting") throw fail("conflict", `The VM ${vm} is being removed.`, { retry: "never" });
  const home = await homes.read(disk);
  if (home === undefined) throw fail("not_found", `There is no disk ${disk}.`);
  if (home.attachedTo !== null && home.attachedTo !== vm) {
    throw fail("conflict", `The disk ${disk} is attached to ${home.attachedTo}.`);
  }
  if (record.disk !== null && record.disk !== disk && (await homes.read(record.disk))?.attachedTo === vm) {
    throw fail("conflict", `The VM ${vm} already has the disk ${record.disk}.`);
  }
  if (record.disk !== disk) await writeRecord(dataFolder, { ...record, disk });
  const uid = record.network === null ? undefined : addressesOf(record.network, record.slot).uid;
  await homes.moveIn(home, vm, vmFolder(dataFolder, vm), uid);
}

/** Takes a home out of a VM; succeeds when it is not in it. */
export async function detach(dataFolder: string, homes: Homes, disk: string, vm: InstanceId): Promise<void> {
  const record = await readRecord(dataFolder, vm);
  if (record?.disk !== disk && (await homes.read(disk))?.attachedTo !== vm) return;
  await homes.moveOut(disk, vm, vmFolder(dataFolder, vm));
  if (record?.disk === disk) await writeRecord(dataFolder, { ...record, disk: null });
}

/** The homes that are in a VM as either of their records says. */
export async function attachedDisks(homes: Homes, vm: InstanceId, record: VmRecord | undefined): Promise<string[]> {
  const attached = (await homes.list()).filter((disk) => disk.attachedTo === vm).map((disk) => disk.id);
  return [...new Set(record === undefined || record.disk === null ? attached : [record.disk, ...attached])];
}
