// Compares what is on record with what the provider has, in both directions. Adopts ours, clears away the dead, removes what
// nobody owns after two sightings of complete lists. Never removes a disk.
import type { InstanceId, PoolSpec } from "@gitspaces/contracts";
import type { Clock, Logger } from "@gitspaces/daemon";
import type { Provider, ProviderVm } from "@gitspaces/providers";
import { isWarm, type WarmVm } from "@gitspaces/vm-pool";
import { adoption, ownerIn, poolOf } from "./adoption.ts";
import type { AgentClient } from "./agent-client.ts";
import type { ClaimStore } from "./claim-store.ts";
import { lostRecords } from "./lost-records.ts";
import type { VmRecord } from "./vm-record.ts";
import type { VmRemoval } from "./vm-removal.ts";
import type { VmStore } from "./vm-store.ts";

type Collaborators = {
  pools: readonly PoolSpec[];
  provider: Provider;
  store: VmStore;
  claims: ClaimStore;
  agents: AgentClient;
  removal: VmRemoval;
  installation: string;
  /** This runner, as a holder of leases. */
  holder: string;
  vmStartMs: number;
  clock: Clock;
  log: Logger;
};

const SIGHTINGS = 2;
/** A making that nobody finished or repeated for this many starts is given up. */
const STARTS_UNTIL_LOST = 10;
const LIST_DEADLINE_MS = 60_000;
/** One VM that hangs at the provider does not keep the others waiting for longer. */
const VM_DEADLINE_MS = 30_000;

/** One sweep per call; what was seen before is remembered between them. */
export function sweeper({
  pools,
  provider,
  store,
  claims,
  agents,
  removal,
  installation,
  holder,
  vmStartMs,
  clock,
  log,
}: Collaborators) {
  const strays = new Map<InstanceId, number>();
  const silent = new Map<InstanceId, number>();
  const lost = lostRecords({ provider, store, log });
  const adopt = adoption({ pools, store, claims, agents, log });

  async function unrecorded(vm: ProviderVm, isComplete: boolean, signal: AbortSignal): Promise<void> {
    const owner = ownerIn(vm);
    const isAdopted = await adopt(vm);
    if (isAdopted || (await store.get(vm.id)) !== undefined) return void strays.delete(vm.id);
    if (!isComplete) return;
    const sightings = (strays.get(vm.id) ?? 0) + 1;
    strays.set(vm.id, sightings);
    if (sightings < SIGHTINGS) return;
    log.warn({ instanceId: vm.id, labels: vm.labels }, "a VM that nobody owns is removed");
    await removal.remove({ id: vm.id, pool: poolOf(vm), gitspaceId: owner?.gitspaceId ?? null }, signal);
    strays.delete(vm.id);
  }

  /** A VM on record that the provider has without power, or no longer has, serves nobody; its Gitspace can start again. */
  async function dead({ vm }: VmRecord, reason: string, signal: AbortSignal): Promise<void> {
    log.warn({ instanceId: vm.id, gitspaceId: vm.owner?.gitspaceId, reason }, "a VM is dead and is cleared away");
    if (vm.owner === null && !(await store.takeStock(vm.id, vm.pool))) return;
    // The Gitspace may have another VM by now, whose route is not this one's to take.
    if (vm.owner !== null)
      await claims.removeRoute(vm.owner.gitspaceId, (await claims.get(vm.owner.gitspaceId)).generation, vm.id);
    await removal.remove({ id: vm.id, pool: vm.pool, gitspaceId: vm.owner?.gitspaceId ?? null }, signal);
  }

  /** A warm VM whose agent stays silent would cost the next person a failed attempt: the pool replaces it. */
  async function probe(vm: WarmVm, signal: AbortSignal): Promise<void> {
    const isThere = await agents.status(vm.id, vm, signal).then(
      ({ ide }) => ide === "ready",
      () => false,
    );
    if (isThere) return void silent.delete(vm.id);
    const misses = (silent.get(vm.id) ?? 0) + 1;
    silent.set(vm.id, misses);
    if (misses < SIGHTINGS) return;
    silent.delete(vm.id);
    log.warn({ instanceId: vm.id, pool: vm.pool }, "the agent of a warm VM does not answer");
    await store.agent(vm.id, vm.pool, "failed", "its agent does not answer");
  }

  /** Whether the pool of this VM of the stock is in no runner's pool.yml any more: then nobody plans for it. */
  async function isOrphan({ owner, pool }: VmRecord["vm"]): Promise<boolean> {
    if (owner !== null || pools.some(({ name }) => name === pool)) return false;
    if ((await store.lease(pool, holder)) === undefined) return false;
    await store.leaveLease(pool, holder);
    return true;
  }

  async function recorded(
    record: VmRecord,
    present: ProviderVm | undefined,
    isComplete: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const { vm } = record;
    const ageMs = clock.now() - vm.createdAt;
    if (vm.power === "deleting") return await dead(record, "its removal was cut short", signal);
    if (await isOrphan(vm)) return await dead(record, "its pool is no longer in pool.yml", signal);
    if (vm.power === "making") {
      if (ageMs > vmStartMs * STARTS_UNTIL_LOST) await dead(record, "its making was given up", signal);
      return;
    }
    const isSuspect = present === undefined ? isComplete : present.power === "stopped" || present.power === "making";
    if (isSuspect) return await suspect(record, signal);
    if (present !== undefined && isWarm(vm)) await probe(vm, signal);
  }

  /** The list is a little old by now; a VM is given up only on the provider's present word. */
  async function suspect(record: VmRecord, signal: AbortSignal): Promise<void> {
    const present = await provider.get(record.vm.id, { key: `get/${record.vm.id}`, signal });
    if (present === undefined) return await dead(record, "the provider no longer has it", signal);
    if (present.power === "stopped") return await dead(record, "it lost its power", signal);
    if (present.power === "making") await dead(record, "the provider no longer knows how it was made", signal);
  }

  /** Looks once at everything. @throws {FailureError} when the provider does not answer at all. */
  return async function sweep(signal: AbortSignal): Promise<void> {
    const names = pools.map(({ name }) => name);
    const withoutRecord = await lost.discard(names);
    // Records first: a VM recorded after this moment is missing in `before`, never wrongly missing at the provider.
    const before = (await Promise.all(names.map((name) => store.list(name)))).flat();
    const { items, complete } = await provider.list({
      key: "sweep",
      signal: AbortSignal.any([signal, AbortSignal.timeout(LIST_DEADLINE_MS)]),
    });
    const ours = new Map(
      items.filter(({ labels }) => labels["gs-installation"] === installation).map((vm) => [vm.id, vm]),
    );
    const known = new Set(before.map(({ vm }) => vm.id));
    for (const record of before)
      await guarded(record.vm.id, signal, (within) => recorded(record, ours.get(record.vm.id), complete, within));
    for (const vm of ours.values()) {
      if (known.has(vm.id)) continue;
      await guarded(vm.id, signal, async (within) => {
        const record = await store.get(vm.id);
        if (record !== undefined) return await recorded(record, vm, complete, within);
        await store.discard(vm.id, poolOf(vm));
        await unrecorded(vm, complete, within);
      });
    }
    if (complete)
      for (const each of withoutRecord)
        if (!ours.has(each.id)) await guarded(each.id, signal, (within) => lost.freeSlot(each, within));
    for (const seen of [strays, silent]) for (const id of seen.keys()) if (!ours.has(id)) seen.delete(id);
  };

  /** One VM in trouble does not keep the others from being looked at. */
  async function guarded(
    id: InstanceId,
    signal: AbortSignal,
    work: (within: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const within = AbortSignal.any([signal, AbortSignal.timeout(VM_DEADLINE_MS)]);
    await work(within).catch((err: unknown) => log.warn({ err, instanceId: id }, "a VM could not be reconciled"));
  }
}
