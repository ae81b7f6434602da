// Acts on what reconciliation decided about one VM. Whatever is given up is compared again first: with the provider's present word,
// or with the record in the same step as it is written.
import type { InstanceId, PoolSpec } from "@gitspaces/contracts";
import type { Logger } from "@gitspaces/daemon";
import type { Provider, ProviderVm } from "@gitspaces/providers";
import { type Reconciliation, SIGHTINGS, type Vm, type WarmVm } from "@gitspaces/vm-pool";
import { adoption, ownerIn, poolOf } from "./adoption.ts";
import type { AgentClient } from "./agent-client.ts";
import type { ClaimStore } from "./claim-store.ts";
import type { lostRecords } from "./lost-records.ts";
import type { Mending } from "./mending.ts";
import type { VmRemoval } from "./vm-removal.ts";
import type { VmStore } from "./vm-store.ts";

type Collaborators = {
  pools: readonly PoolSpec[];
  provider: Pick<Provider, "get">;
  store: VmStore;
  claims: ClaimStore;
  agents: AgentClient;
  mender: Mending;
  removal: VmRemoval;
  adopt: ReturnType<typeof adoption>;
  lost: ReturnType<typeof lostRecords>;
  /** This runner, as a holder of leases. */
  holder: string;
  log: Logger;
};

/** What was seen in sweeps before this one. */
export type Memory = { strays: Map<InstanceId, number>; silent: Map<InstanceId, number> };
type Adopting = Extract<Reconciliation, { do: "adopt" }>;

/** The doer. `seen` is the VM as the provider listed it. */
export function reconciling(
  { pools, provider, store, claims, agents, mender, removal, adopt, lost, holder, log }: Collaborators,
  { strays, silent }: Memory,
) {
  /** A VM on its way out serves nobody; its Gitspace can start again. The record says so already. */
  async function clear({ id, pool, owner }: Vm, reason: string, signal: AbortSignal): Promise<void> {
    const gitspaceId = owner?.gitspaceId ?? null;
    log.warn({ instanceId: id, gitspaceId: gitspaceId ?? undefined, reason }, "a VM is dead and is cleared away");
    await endRoute({ id, owner });
    await removal.remove({ id, pool, gitspaceId }, signal);
  }

  /** The Gitspace may have another VM by now, whose route is not this one's to take. */
  async function endRoute({ id, owner }: Pick<Vm, "id" | "owner">): Promise<void> {
    if (owner === null) return;
    await claims.removeRoute(owner.gitspaceId, (await claims.get(owner.gitspaceId)).generation, id);
  }

  /** The list is a little old by now; a VM is given up only on the provider's present word. */
  async function confirm(vm: Vm, signal: AbortSignal): Promise<void> {
    const present = await provider.get(vm.id, { key: `get/${vm.id}`, signal });
    const reason = deathOf(present);
    if (reason === undefined) return;
    if (vm.owner === null && !(await store.takeStock(vm.id, vm.pool))) return;
    await clear(vm, reason, signal);
  }

  /** Stock goes whatever it does by now; a VM of a Gitspace only while it is still being made. */
  async function giveUp(vm: Vm, reason: string, signal: AbortSignal): Promise<void> {
    const isTaken = vm.owner === null ? await store.takeStock(vm.id, vm.pool) : await mender.giveUp(vm);
    if (isTaken) await clear(vm, reason, signal);
  }

  /** Nobody plans for a pool that is in no runner's pool.yml any more. */
  async function isNobodys(pool: string): Promise<boolean> {
    if ((await store.lease(pool, holder)) === undefined) return false;
    await store.leaveLease(pool, holder);
    return true;
  }

  /** A route of the wrong owner goes first: what comes after may be cut short. */
  async function disown(vm: Vm): Promise<void> {
    await endRoute(vm);
    if (!(await mender.disown(vm))) return;
    const { id, owner } = vm;
    log.warn({ instanceId: id, gitspaceId: owner?.gitspaceId }, "a VM is labelled with another owner than on record");
  }

  /** A warm VM whose agent stays silent, or is somebody's, would cost the next person a failed attempt: the pool replaces it. */
  async function probe(vm: WarmVm, signal: AbortSignal): Promise<void> {
    const isThere = await agents.status(vm.id, vm, signal).then(
      ({ ide, identity }) => ide === "ready" && identity === null,
      () => false,
    );
    if (isThere) return void silent.delete(vm.id);
    const misses = (silent.get(vm.id) ?? 0) + 1;
    silent.set(vm.id, misses);
    if (misses < SIGHTINGS) return;
    silent.delete(vm.id);
    log.warn({ instanceId: vm.id, pool: vm.pool }, "the agent of a warm VM does not answer as one of the stock");
    await store.agent(vm.id, vm.pool, "failed", "its agent does not answer");
  }

  async function adoptOrRemove({ id, sighting, orRemove }: Adopting, vm: ProviderVm, signal: AbortSignal) {
    await store.discard(id, poolOf(vm));
    if ((await adopt(vm)) || (await store.get(id)) !== undefined) {
      strays.delete(id);
      return;
    }
    // Until it is adopted or removed it counts, so that a pool stays under its `max` at the provider too.
    if ((await provider.get(id, { key: `get/${id}`, signal })) !== undefined)
      await store.holdSlot(id, poolOf(vm), ownerIn(vm)?.gitspaceId ?? null);
    if (sighting > 0) strays.set(id, sighting);
    if (!orRemove) return;
    const [pool, owner] = [poolOf(vm), ownerIn(vm)];
    // From here on nobody can adopt it, so nobody can be given what is removed.
    if (!(await mender.condemn({ id, pool, createdAt: vm.createdAt, owner }))) return;
    log.warn({ instanceId: id, labels: vm.labels }, "a VM that nobody owns is removed");
    await removal.remove({ id, pool, gitspaceId: owner?.gitspaceId ?? null }, signal);
    strays.delete(id);
  }

  /** A VM of another runner's pool may be at a provider that only that runner asks. */
  async function isOurs(decision: Reconciliation, seen: ProviderVm | undefined): Promise<boolean> {
    const pool = "vm" in decision ? decision.vm.pool : "lost" in decision ? decision.lost.pool : undefined;
    if (pool === undefined || seen !== undefined || pools.some(({ name }) => name === pool)) return true;
    return await isNobodys(pool);
  }

  return async (decision: Reconciliation, seen: ProviderVm | undefined, signal: AbortSignal): Promise<void> => {
    if (!(await isOurs(decision, seen))) return;
    switch (decision.do) {
      case "keep":
        return;
      case "mend":
        if ((await mender.mend(decision.vm)) === "ended") await clear(decision.vm, "its claim has ended", signal);
        return;
      case "disown":
        return await disown(decision.vm);
      case "clear":
        return await clear(decision.vm, decision.reason, signal);
      case "giveUp":
        return await giveUp(decision.vm, decision.reason, signal);
      case "retire":
        if (await isNobodys(decision.vm.pool)) await giveUp(decision.vm, decision.reason, signal);
        return;
      case "confirm":
        return await confirm(decision.vm, signal);
      case "probe":
        return await probe(decision.vm, signal);
      case "adopt":
        return seen === undefined ? undefined : await adoptOrRemove(decision, seen, signal);
      case "release":
        return await lost.release(decision.lost, signal);
      case "endRoute":
        await mender.endRoute(decision.gitspaceId);
        return;
    }
  };
}

/** Why a VM serves nobody any more, or nothing while it may. */
function deathOf(present: ProviderVm | undefined): string | undefined {
  if (present === undefined || present.power === "gone") return "the provider no longer has it";
  if (present.power === "stopped") return "it lost its power";
  if (present.power === "making") return "the provider no longer knows how it was made";
  return present.power === "deleting" ? "the provider is removing it" : undefined;
}
