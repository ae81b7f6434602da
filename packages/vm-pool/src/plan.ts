// What a pool should do next, decided from what is there. Pure: the same VMs, target and time give the same plan.
import type { InstanceId } from "@gitspaces/contracts";
import { isWarm, takesSlot, type Vm } from "./vm.ts";

export type PoolTarget = {
  /** How many stand ready. */
  warm: number;
  /** Hard ceiling over every VM that is not gone, owned ones and those being made included. */
  max: number;
  /** How long a VM may take from the start of its making until its agent is ready, milliseconds. */
  comeUpMs: number;
  /** How many are made at the same time. */
  makingAtOnce: number;
  /** A warm VM that is older holds what is out of date and is replaced, one at a time; absent, none ever is. Milliseconds. */
  freshMs?: number;
};

export type RemovalReason = "did not come up" | "agent failed" | "more than wanted" | "holds what is out of date";
export type PoolAction = { do: "create"; count: number } | { do: "remove"; id: InstanceId; reason: RemovalReason };

/** The next actions of a pool, removals first. Never touches an owned VM, never plans past `max`; satisfied, it is empty. */
export function planPool(observed: readonly Vm[], target: PoolTarget, now: number): PoolAction[] {
  const stock = observed.filter((vm) => vm.owner === null);
  const broken = stock.flatMap((vm) => {
    const reason = brokenBecause(vm, target, now);
    return reason === undefined ? [] : [{ do: "remove" as const, id: vm.id, reason }];
  });
  const brokenIds = new Set(broken.map(({ id }) => id));
  const sound = stock.filter((vm) => !brokenIds.has(vm.id) && isReadyOrComing(vm));

  const ownedCount = observed.filter((vm) => vm.owner !== null && takesSlot(vm)).length;
  const wanted = Math.max(0, Math.min(target.warm, target.max - ownedCount));
  const stale = sound.filter((vm) => isWarm(vm) && now - vm.createdAt > (target.freshMs ?? Number.POSITIVE_INFINITY));
  // The one that replaces comes up beside the one that is replaced, which serves until then.
  const replacing = stale.length > 0 && wanted > 0 ? 1 : 0;
  const kept = replacing > 0 && !sound.every((vm) => isWarm(vm)) ? wanted + 1 : wanted;
  const surplus = leastUsefulFirst(sound, stale).slice(0, Math.max(0, sound.length - kept));
  const removals = [
    ...broken,
    ...surplus.map((vm) => ({
      do: "remove" as const,
      id: vm.id,
      reason: stale.includes(vm) ? ("holds what is out of date" as const) : ("more than wanted" as const),
    })),
  ];

  const room = target.max - observed.filter(takesSlot).length;
  const making = sound.filter((vm) => !isWarm(vm)).length;
  const count = Math.min(wanted + replacing - sound.length, room, target.makingAtOnce - making);
  return count > 0 ? [...removals, { do: "create", count }] : removals;
}

/** A VM without owner that is on its way out is neither stock nor a reason to act. */
function isReadyOrComing(vm: Vm): boolean {
  return vm.power !== "deleting" && vm.power !== "gone";
}

function brokenBecause(vm: Vm, target: PoolTarget, now: number): RemovalReason | undefined {
  if (vm.power === "running" && vm.agent === "failed") return "agent failed";
  const isComing = vm.power === "making" || (vm.power === "running" && vm.agent === "starting");
  return isComing && now - vm.createdAt > target.comeUpMs ? "did not come up" : undefined;
}

/** Those not ready yet go before those that are, unless a stale one is there; younger before older: the oldest warm VM is the next to be handed out. */
function leastUsefulFirst(sound: readonly Vm[], stale: readonly Vm[]): Vm[] {
  const rank = (vm: Vm) => (stale.includes(vm) ? 0 : 1 + Number(isWarm(vm)));
  const age = (a: Vm, b: Vm) => (stale.includes(a) ? a.createdAt - b.createdAt : b.createdAt - a.createdAt);
  return sound.toSorted((a, b) => rank(a) - rank(b) || age(a, b) || (a.id < b.id ? -1 : 1));
}
