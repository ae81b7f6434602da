// Compares what is on record with what the provider has, in both directions. Adopts ours, clears away the dead, removes what
// nobody owns after two sightings of complete lists. Never removes a disk.
import type { PoolSpec } from "@gitspaces/contracts";
import type { Clock, Logger } from "@gitspaces/daemon";
import type { Provider, ProviderVm } from "@gitspaces/providers";
import { planReconciliation, type Recorded, type Reconciliation, type Seen } from "@gitspaces/vm-pool";
import { adoption, poolOf } from "./adoption.ts";
import type { AgentClient } from "./agent-client.ts";
import type { ClaimStore } from "./claim-store.ts";
import { inParallel } from "./in-parallel.ts";
import { lostRecords } from "./lost-records.ts";
import type { Mending } from "./mending.ts";
import { type Memory, reconciling } from "./reconciling.ts";
import type { RecordSurvey } from "./record-survey.ts";
import { reopening } from "./reopening.ts";
import type { VmRemoval } from "./vm-removal.ts";
import type { VmStore } from "./vm-store.ts";

type Collaborators = {
  pools: readonly PoolSpec[];
  provider: Provider;
  store: VmStore;
  survey: RecordSurvey;
  mender: Mending;
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

/** A making that nobody finished or repeated for this many starts is given up. */
const STARTS_UNTIL_LOST = 10;
const LIST_DEADLINE_MS = 60_000;
/** One VM that hangs at the provider does not keep the others waiting for longer. */
const VM_DEADLINE_MS = 30_000;
const AT_ONCE = 16;

/** One sweep per call; what was seen before is remembered between them. */
export function sweeper(collaborators: Collaborators) {
  const { pools, provider, store, survey, installation, vmStartMs, clock, log } = collaborators;
  const memory: Memory = { strays: new Map(), silent: new Map() };
  const lost = lostRecords({ ...collaborators });
  const reopen = reopening(collaborators);
  const reconcile = reconciling({ ...collaborators, lost, adopt: adoption(collaborators) }, memory);

  /** Records first: a VM recorded after this moment is missing among them, never wrongly missing at the provider. */
  async function look(signal: AbortSignal) {
    const onRecord = await survey(pools.map(({ name }) => name));
    await lost.discard(onRecord.lost);
    const within = AbortSignal.any([signal, AbortSignal.timeout(LIST_DEADLINE_MS)]);
    const { items, complete } = await provider.list({ key: "sweep", signal: within });
    const ours = new Map(
      items.filter(({ labels }) => labels["gs-installation"] === installation).map((vm) => [vm.id, vm]),
    );
    const known = new Set(onRecord.records.map(({ vm }) => vm.id));
    const others = await Promise.all([...ours.keys()].filter((id) => !known.has(id)).map(recordedSince));
    const records = [...onRecord.records, ...others.filter((record) => record !== undefined)];
    return { records, lost: onRecord.lost, routes: onRecord.routes, ours, isComplete: complete };
  }

  /** A VM recorded meanwhile, or of another pool than ours: what else is on record about it is taken to be in order. */
  async function recordedSince(id: string): Promise<Recorded | undefined> {
    const vm = (await store.get(id))?.vm;
    if (vm === undefined) return undefined;
    const isInWarmSet = vm.owner === null && vm.power === "running" && vm.agent === "ready";
    return { vm, slot: vm.owner?.gitspaceId ?? "", isInWarmSet, claimed: vm.owner === null ? undefined : id };
  }

  /**
   * Looks once at everything. Says whether every VM of ours was listed and is on record as its labels have it.
   * @throws {FailureError} when the provider does not answer at all.
   */
  return async function sweep(signal: AbortSignal): Promise<boolean> {
    const { ours, ...found } = await look(signal);
    const plan = planReconciliation({
      ...found,
      seen: [...ours.values()].map(seenIn),
      strays: memory.strays,
      pools: new Set(pools.map(({ name }) => name)),
      makingLostMs: vmStartMs * STARTS_UNTIL_LOST,
      now: clock.now(),
    });
    const work = plan.filter((decision) => decision.do !== "keep");
    let isAgreed = found.isComplete;
    await inParallel(inTurns(work, ours), AT_ONCE, async (turns) => {
      for (const decision of turns) {
        const isDone = await guarded(decision, ours.get(decision.id), signal);
        // A VM that was disowned is adopted under its label's owner by the next sweep.
        if (decision.do === "disown" || (decision.do === "adopt" && !isDone)) isAgreed = false;
      }
    });
    await inParallel([...ours.values()], AT_ONCE, async (vm) => {
      await reopen(vm).catch((err: unknown) => log.warn({ err, instanceId: vm.id }, "a route could not be restored"));
    });
    for (const seen of [memory.strays, memory.silent]) for (const id of seen.keys()) if (!ours.has(id)) seen.delete(id);
    return isAgreed;
  };

  /** One VM in trouble does not keep the others from being looked at. */
  async function guarded(
    decision: Reconciliation,
    seen: ProviderVm | undefined,
    signal: AbortSignal,
  ): Promise<boolean> {
    const within = AbortSignal.any([signal, AbortSignal.timeout(VM_DEADLINE_MS)]);
    try {
      await reconcile(decision, seen, within);
      return true;
    } catch (err) {
      log.warn({ err, instanceId: decision.id, doing: decision.do }, "a VM could not be reconciled");
      return false;
    }
  }
}

/** What concerns one Gitspace is done in turn, records before VMs without one, so that which VM it keeps is not left to chance. */
function inTurns(work: readonly Reconciliation[], ours: ReadonlyMap<string, ProviderVm>): Reconciliation[][] {
  const rank = ({ do: what }: Reconciliation) => (what === "adopt" ? 1 : 0);
  const turns = Map.groupBy(work, (decision) => gitspaceOf(decision, ours) ?? decision);
  return [...turns.values()].map((of) => of.toSorted((a, b) => rank(a) - rank(b) || (a.id < b.id ? -1 : 1)));
}

function gitspaceOf(decision: Reconciliation, ours: ReadonlyMap<string, ProviderVm>): string | undefined {
  if ("vm" in decision) return decision.vm.owner?.gitspaceId;
  if ("lost" in decision) return decision.lost.gitspaceId ?? undefined;
  if (decision.do === "endRoute") return decision.gitspaceId;
  return ours.get(decision.id)?.labels["gs-gitspace"];
}

function seenIn(vm: ProviderVm): Seen {
  return { id: vm.id, pool: poolOf(vm), power: vm.power, gitspaceId: vm.labels["gs-gitspace"] ?? null };
}
