// Removing a VM: recorded first, then the VM, then the record. Home disks stay: the provider takes them out of a VM without power.
import { FailureError, type InstanceId } from "@gitspaces/contracts";
import type { Logger } from "@gitspaces/daemon";
import type { Provider } from "@gitspaces/providers";
import { superseded } from "./claim-store.ts";
import { LockLostError } from "./lock-lost.ts";
import type { Fence, VmStore } from "./vm-store.ts";

type Collaborators = { provider: Provider; store: VmStore; log: Logger };
/** Without a pool, the one that the provider's label names. */
type Removed = { id: InstanceId; pool: string | undefined; gitspaceId: string | null };

const LABEL_TRIES = 3;

export type VmRemoval = ReturnType<typeof vmRemoval>;

/** The remover of VMs. Every step is safe to repeat. */
export function vmRemoval({ provider, store, log }: Collaborators) {
  /** A zombie must not remove what a later action works with: the label is raised first, and says when it is too late. */
  async function labelGeneration(id: InstanceId, generation: number, signal: AbortSignal): Promise<void> {
    const call = { key: `generation/${id}/${generation}`, signal };
    for (let tries = 1; ; tries++) {
      const vm = await provider.get(id, call);
      if (vm === undefined || vm.power === "gone") return;
      const labelled = Number(vm.labels["gs-generation"] ?? 0);
      if (labelled > generation) throw superseded();
      if (labelled === generation) return;
      try {
        await provider.label(id, { "gs-generation": String(generation) }, vm.version, call);
        return;
      } catch (error) {
        const code = error instanceof FailureError ? error.failure.code : undefined;
        // It went after it was looked at, or is only being made by a call that was called back: there is no label to raise.
        if (code === "not_found") return;
        if (code !== "conflict" || tries === LABEL_TRIES) throw error;
      }
    }
  }

  /**
   * Removes a VM and frees its slot and claim; its home disks are detached and stay.
   * @throws {LockLostError} when the fence's holder no longer has the Gitspace: the next holder may work with this VM.
   */
  async function remove({ id, gitspaceId, ...removed }: Removed, signal: AbortSignal, fence?: Fence): Promise<void> {
    if (!(await store.deleting(id, fence))) throw new LockLostError(gitspaceId ?? id);
    const pool = removed.pool ?? (await poolOf(id, signal));
    // Not detached before: what still runs inside would go on writing, to a home that is no longer there.
    await provider.remove(id, { key: `remove/${id}`, signal });
    await store.forget(id, pool, gitspaceId);
    log.info({ instanceId: id, pool, gitspaceId: gitspaceId ?? undefined }, "a VM was removed");
  }

  async function poolOf(id: InstanceId, signal: AbortSignal): Promise<string> {
    return (await provider.get(id, { key: `get/${id}`, signal }))?.labels["gs-pool"] ?? "unknown";
  }

  return {
    remove,
    /** Removes a claimed VM in the name of a generation. @throws {FailureError} `superseded` when a later one holds it. */
    async removeClaimed(vm: Removed & { generation: number }, signal: AbortSignal, fence: Fence): Promise<void> {
      await labelGeneration(vm.id, vm.generation, signal);
      await remove(vm, signal, fence);
    },
  };
}
