// What each task from the control plane does here.
import { fail, type TaskResult, type VmTask } from "@gitspaces/contracts";
import type { Provider, ProviderVm } from "@gitspaces/providers";
import type { Claiming } from "./claiming.ts";
import { type ClaimStore, superseded } from "./claim-store.ts";
import type { GitspaceLock, Hold } from "./gitspace-lock.ts";
import type { HomeDisks } from "./home-disk.ts";
import type { Mending } from "./mending.ts";
import type { Stopwatch } from "./stopwatch.ts";
import type { Emit } from "./task-events.ts";
import type { VmRemoval } from "./vm-removal.ts";
import type { VmStore } from "./vm-store.ts";

type Collaborators = {
  claims: ClaimStore;
  store: VmStore;
  mender: Pick<Mending, "disown">;
  provider: Pick<Provider, "get" | "list">;
  claiming: Claiming;
  removal: VmRemoval;
  disks: HomeDisks;
  alone: GitspaceLock;
};
type Turn = { watch: Stopwatch; emit: Emit; signal: AbortSignal };
type Task<T extends VmTask["type"]> = Extract<VmTask, { type: T }>;

export type VmTasks = ReturnType<typeof vmTasks>;

/** The tasks, each safe to repeat, each alone on its Gitspace. */
export function vmTasks({ claims, store, mender, provider, claiming, removal, disks, alone }: Collaborators) {
  /** Takes the Gitspace's VM away: traffic first, then the VM; its home disk stays. */
  async function release(task: VmTask, { watch }: Turn, signal: AbortSignal, { fence }: Hold): Promise<void> {
    await watch.measure("route", () => claims.removeRoute(task.gitspaceId, task.generation));
    const { vm: id } = await claims.get(task.gitspaceId);
    if (id === null) return;
    // Also without a record: a VM may be left at the provider, and the claim on it has to end.
    const record = await store.get(id);
    if (record !== undefined && record.vm.owner?.gitspaceId !== task.gitspaceId) {
      const owner = { gitspaceId: task.gitspaceId, generation: task.generation, taskId: task.id };
      return void (await mender.disown({ id, pool: record.vm.pool, owner }));
    }
    const pool = record?.vm.pool;
    await watch.measure("remove", () =>
      removal.removeClaimed({ id, pool, gitspaceId: task.gitspaceId, generation: task.generation }, signal, fence),
    );
  }

  async function provision(task: Task<"vm.provision">, turn: Turn): Promise<TaskResult<"vm.provision">> {
    return await alone(task, "provision", turn.signal, (signal, hold) =>
      claiming.provision({ ...turn, task, signal, hold }),
    );
  }

  async function stop(task: Task<"vm.stop">, turn: Turn): Promise<TaskResult<"vm.stop">> {
    if (task.data.policy === "suspend")
      turn.emit("note", "This runner does not suspend VMs; the VM is released and the home disk kept.");
    return await alone(task, "stop", turn.signal, async (signal, hold) => {
      await release(task, turn, signal, hold);
      return { power: "gone" as const };
    });
  }

  async function destroy(task: Task<"vm.destroy">, turn: Turn): Promise<TaskResult<"vm.destroy">> {
    return await alone(task, "destroy", turn.signal, async (signal, hold) => {
      await release(task, turn, signal, hold);
      const disk = task.data.homeDisk;
      if (disk === null) return {};
      if ((await claims.get(task.gitspaceId)).vm !== null)
        throw fail("conflict", "The Gitspace still holds a VM, so its home disk stays.");
      await turn.watch.measure("disk", () => disks.remove(disk, hold.fence, signal));
      return {};
    });
  }

  /** What the provider says counts: a record learns of a death only with the next sweep. */
  async function status(task: Task<"vm.status">, signal: AbortSignal): Promise<TaskResult<"vm.status">> {
    const { vm: id, generation } = await claims.get(task.gitspaceId);
    if (task.generation < generation) throw superseded();
    const record = id === null ? undefined : await store.get(id);
    const call = { key: `status/${task.id}`, signal };
    if (record === undefined) {
      // The claim may have ended; or Redis lost it, whole or in part, and its VM is still there: the labels tell.
      const { items, complete } = await provider.list(call);
      const labelled = items.find(
        ({ labels, power }) => labels["gs-gitspace"] === task.gitspaceId && power === "running",
      );
      // Who asks for the pools asks about no Gitspace of ours.
      if (labelled === undefined && !complete && task.data.pools !== true)
        throw fail("vm_unreachable", "The provider did not list every VM, so nobody knows whether this one is gone.");
      return {
        vm: labelled === undefined ? null : { instanceId: labelled.id, power: "running", generation: task.generation },
      };
    }
    const { power } = record.vm;
    const isThere = power === "making" || isPowered(await provider.get(record.vm.id, call));
    return { vm: isThere ? { instanceId: record.vm.id, power, generation } : null };
  }

  return async (task: VmTask, turn: Turn): Promise<TaskResult<VmTask["type"]>> => {
    if (task.type === "vm.provision") return await provision(task, turn);
    if (task.type === "vm.stop") return await stop(task, turn);
    if (task.type === "vm.destroy") return await destroy(task, turn);
    return await status(task, turn.signal);
  };
}

/** A VM without power serves nobody any more. */
function isPowered(vm: ProviderVm | undefined): boolean {
  return vm !== undefined && vm.power !== "stopped" && vm.power !== "gone";
}
