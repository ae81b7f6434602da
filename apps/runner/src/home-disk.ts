// The home disk of a Gitspace: made once, attached to the VM it holds, removed only with the Gitspace.
import { FailureError, fail, type InstanceId } from "@gitspaces/contracts";
import type { Logger } from "@gitspaces/daemon";
import type { Provider } from "@gitspaces/providers";
import type { VmRemoval } from "./vm-removal.ts";
import type { Fence, VmStore } from "./vm-store.ts";

type Collaborators = { provider: Provider; store: VmStore; removal: VmRemoval; installation: string; log: Logger };

export type HomeDisks = ReturnType<typeof homeDisks>;

/** The home disks at the provider. */
export function homeDisks({ provider, store, removal, installation, log }: Collaborators) {
  /** A VM that this Gitspace held before may still have the disk, when its removal was cut short. It goes first. */
  async function takeFromEarlierVm(disk: string, vm: InstanceId, fence: Fence, signal: AbortSignal): Promise<boolean> {
    const { gitspaceId } = fence;
    const { items } = await provider.listDisks({ key: `disks/${disk}`, signal });
    const holder = items.find(({ id }) => id === disk)?.attachedTo ?? null;
    if (holder === null || holder === vm) return true;
    const earlier = await provider.get(holder, { key: `get/${holder}`, signal });
    if (earlier !== undefined && earlier.labels["gs-gitspace"] !== gitspaceId) return false;
    log.warn({ instanceId: holder, disk, gitspaceId }, "an earlier VM still had the home disk and is removed");
    const pool = earlier?.labels["gs-pool"] ?? (await store.get(holder))?.vm.pool;
    await removal.remove({ id: holder, pool, gitspaceId }, signal, fence);
    return true;
  }

  return {
    /** Makes the disk when there is none and attaches it. @throws {FailureError} `denied` for another Gitspace's disk. */
    async attach(disk: string, vm: InstanceId, fence: Fence, signal: AbortSignal): Promise<void> {
      const { gitspaceId } = fence;
      const made = await provider.createDisk(
        disk,
        { "gs-installation": installation, "gs-gitspace": gitspaceId },
        { key: `disk/${disk}`, signal },
      );
      if (made.labels["gs-gitspace"] !== gitspaceId)
        throw fail("denied", `The disk ${disk} belongs to another Gitspace.`, { field: "homeDisk" });
      const call = { key: `attach/${vm}/${disk}`, signal };
      try {
        await provider.attachDisk(disk, vm, call);
      } catch (error) {
        const isTaken = error instanceof FailureError && error.failure.code === "conflict";
        if (!isTaken || !(await takeFromEarlierVm(disk, vm, fence, signal))) throw error;
        await provider.attachDisk(disk, vm, call);
      }
    },
    /** Removes the disk of a deleted Gitspace. @throws {FailureError} `denied` for another Gitspace's disk. */
    async remove(disk: string, fence: Fence, signal: AbortSignal): Promise<void> {
      const { gitspaceId } = fence;
      const { items } = await provider.listDisks({ key: `disks/${disk}`, signal });
      const present = items.find(({ id }) => id === disk);
      if (present !== undefined && present.labels["gs-gitspace"] !== gitspaceId) {
        throw fail("denied", `The disk ${disk} belongs to another Gitspace.`, { field: "homeDisk" });
      }
      if (present?.attachedTo != null) await takeFromEarlierVm(disk, "", fence, signal);
      await provider.removeDisk(disk, { key: `remove-disk/${disk}`, signal });
    },
  };
}
