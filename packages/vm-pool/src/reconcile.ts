// What to do about each VM, decided from what is on record and what the provider has. Pure: no I/O and no clock. What is taken
// away is only proposed here; whoever acts compares again in the same step as it writes.
//
// Every state that something can be left in, and the way out of it:
//
//   making, of the stock          the pool's loop goes on with it; not ready in time, the pool's plan removes it
//   making, of a Gitspace         its task comes again; else given up after ten times the time that a start may take
//   running, agent starting       stock: as making. Of a Gitspace: its task comes again, or its stop removes it
//   running, agent failed         stock only: the pool's plan removes it
//   running, agent silent         stock: failed at the second miss. Of a Gitspace: its tasks and its people notice, never the sweep
//   running, but lost its power   confirmed with the provider, then cleared
//   suspending, -ed, resuming     stock: given up. Of a Gitspace: its next start or stop replaces it
//   deleting, gone                cleared: the removal is repeated until the provider has done it
//   no record, at the provider    adopted by label and agent, else removed at the second sighting of complete lists
//   no record, not there          slot, claim, warm entry and route are released
//   record that cannot be read    discarded; then as one without a record
//   slot, warm entry or claim wrong   mended from the record; a VM whose claim ended is cleared
//   label of another owner        disowned, then adopted for the label's owner
//   route of no claim             ended
//   reserve answers `coming`      waits no longer than a start may take, then `no_capacity`
//   lock or lease of a dead one   runs out by Redis's own time
import type { GitspaceId, InstanceId, Power } from "@gitspaces/contracts";
import { isWarm, type Vm, type WarmVm } from "./vm.ts";

/** A record that can be read, and what else is on record about its VM. */
export type Recorded = {
  vm: Vm;
  /** Who is said to take its slot: a Gitspace, nobody (an empty text) for the stock; nothing when it has no slot. */
  slot: string | undefined;
  isInWarmSet: boolean;
  /** The VM that its owner's claim names. */
  claimed: InstanceId | undefined;
};

/** A VM that a slot or a claim names and of which there is no record that can be read. */
export type Lost = { id: InstanceId; pool: string; gitspaceId: GitspaceId | null };

/** Where a Gitspace's traffic goes, and the VM that its claim names. */
export type Routed = { gitspaceId: GitspaceId; id: InstanceId; claimed: InstanceId | undefined };

/** A VM as the provider lists it. `stopped` lost its power. */
export type Seen = { id: InstanceId; pool: string; power: Power | "stopped"; gitspaceId: GitspaceId | null };

export type World = {
  records: readonly Recorded[];
  lost: readonly Lost[];
  routes: readonly Routed[];
  seen: readonly Seen[];
  /** False when a part of the provider did not answer: absence then proves nothing. */
  isComplete: boolean;
  /** In how many complete lists before a VM was seen that could not be adopted. */
  strays: ReadonlyMap<InstanceId, number>;
  /** Pools of this runner's pool.yml. */
  pools: ReadonlySet<string>;
  /** How long a making may take that nobody finished or repeated, milliseconds. */
  makingLostMs: number;
  now: number;
};

export type DeathReason =
  | "its removal was cut short"
  | "its making was given up"
  | "it sleeps and nobody wakes it"
  | "its pool is no longer in pool.yml";
export type Reconciliation = { id: InstanceId } & (
  | {
      do: "keep";
      because: "it is as it should be" | "it is being made" | "it may only be out of sight";
    }
  /** Slot, claim and warm set are made to follow the record. */
  | { do: "mend"; vm: Vm }
  /** The label names another owner than the record: the label is believed, the record is dropped. */
  | { do: "disown"; vm: Vm }
  /** Dead for certain. `retire` only when no other runner plans for its pool. */
  | { do: "clear" | "giveUp" | "retire"; vm: Vm; reason: DeathReason }
  /** Seems dead: the provider's present word decides. */
  | { do: "confirm"; vm: Vm }
  /** A warm VM: its agent is asked whether it is still there and still nobody's. */
  | { do: "probe"; vm: WarmVm }
  /** Taken back on record if label and agent let it; else this is the given sighting, and it may be the last. */
  | { do: "adopt"; sighting: number; orRemove: boolean }
  /** Neither on record nor at the provider: slot and claim become free once the provider says so again. */
  | { do: "release"; lost: Lost }
  /** A route to a VM that the Gitspace does not hold: its address may be another's by now. */
  | { do: "endRoute"; gitspaceId: GitspaceId }
);

/** A VM is removed, or a silent agent believed, at this sighting. */
export const SIGHTINGS = 2;

/** One decision for every VM that is on record, at the provider, or named by a slot or a claim. */
export function planReconciliation(world: World): Reconciliation[] {
  const listed = new Map(world.seen.map((vm) => [vm.id, vm]));
  // Some providers go on listing for a while what they have removed.
  const there = world.seen.filter(({ power }) => power !== "gone");
  const known = new Set([...world.records.map(({ vm }) => vm.id), ...there.map(({ id }) => id)]);
  const recorded = new Set(world.records.map(({ vm }) => vm.id));
  const released = new Map(world.lost.filter(({ id }) => !known.has(id)).map((lost) => [keyOf(lost), lost]));
  return [
    ...world.records.map((record) => ofRecord(record, listed.get(record.vm.id), world)),
    ...there.filter(({ id }) => !recorded.has(id)).map((vm) => ofUnrecorded(vm, world)),
    ...[...released.values()].map((lost) => ofLost(lost, world)),
    ...world.routes.flatMap(({ id, gitspaceId, claimed }): Reconciliation[] =>
      claimed === id ? [] : [{ id, do: "endRoute", gitspaceId }],
    ),
  ];
}

function ofRecord(record: Recorded, seen: Seen | undefined, world: World): Reconciliation {
  const { vm } = record;
  const { id } = vm;
  if (vm.power === "deleting" || vm.power === "gone")
    return { id, do: "clear", vm, reason: "its removal was cut short" };
  if (isAnothers(vm, seen)) return { id, do: "disown", vm };
  if (!isSound(record)) return { id, do: "mend", vm };
  if (vm.owner === null && !world.pools.has(vm.pool))
    return { id, do: "retire", vm, reason: "its pool is no longer in pool.yml" };
  if (vm.owner === null && isAsleep(vm)) return { id, do: "giveUp", vm, reason: "it sleeps and nobody wakes it" };
  if (vm.power === "making") {
    return world.now - vm.createdAt > world.makingLostMs
      ? { id, do: "giveUp", vm, reason: "its making was given up" }
      : { id, do: "keep", because: "it is being made" };
  }
  if (seen === undefined && !world.isComplete) return { id, do: "keep", because: "it may only be out of sight" };
  if (seen === undefined || isPowerless(seen.power)) return { id, do: "confirm", vm };
  if (isWarm(vm)) return { id, do: "probe", vm };
  return { id, do: "keep", because: "it is as it should be" };
}

function ofUnrecorded(vm: Seen, { strays, isComplete }: World): Reconciliation {
  const sighting = (strays.get(vm.id) ?? 0) + (isComplete ? 1 : 0);
  return { id: vm.id, do: "adopt", sighting, orRemove: isComplete && sighting >= SIGHTINGS };
}

function ofLost(lost: Lost, { isComplete }: World): Reconciliation {
  const { id } = lost;
  return isComplete ? { id, do: "release", lost } : { id, do: "keep", because: "it may only be out of sight" };
}

/** A label is written after the record and never taken back, so one that names somebody else outlived a lost record. */
function isAnothers({ owner }: Vm, seen: Seen | undefined): boolean {
  if (seen === undefined || seen.gitspaceId === null) return false;
  return owner?.gitspaceId !== seen.gitspaceId;
}

/** Whether slot, claim and warm set say what the record says. */
function isSound({ vm, slot, isInWarmSet, claimed }: Recorded): boolean {
  if (slot !== (vm.owner?.gitspaceId ?? "")) return false;
  const belongsInWarmSet = vm.owner === null && vm.power === "running" && vm.agent === "ready";
  return isInWarmSet === belongsInWarmSet && (vm.owner === null || claimed === vm.id);
}

/** No runner suspends stock yet, and none hands out what sleeps. */
function isAsleep({ power }: Vm): boolean {
  return power === "suspending" || power === "suspended" || power === "resuming";
}

/** Powers in which a VM serves nobody and from which the runner never brings it back. */
export function isPowerless(power: Seen["power"]): boolean {
  return power === "stopped" || power === "making" || power === "deleting" || power === "gone";
}

function keyOf({ id, gitspaceId }: Lost): string {
  return `${id} ${gitspaceId ?? ""}`;
}
