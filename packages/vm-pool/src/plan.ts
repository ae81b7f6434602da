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
};

export type RemovalReason = "did not come up" | "agent failed" | "more than wanted";
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
  const surplus = sound.toSorted(leastUsefulFirst).slice(0, Math.max(0, sound.length - wanted));
  const removals = [
    ...broken,
    ...surplus.map(({ id }) => ({ do: "remove" as const, id, reason: "more than wanted" as const })),
  ];

  const room = target.max - observed.filter(takesSlot).length;
  const making = sound.filter((vm) => !isWarm(vm)).length;
  const count = Math.min(wanted - sound.length, room, target.makingAtOnce - making);
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

/** Those not ready yet go before those that are, younger before older: the oldest warm VM is the next to be handed out. */
function leastUsefulFirst(a: Vm, b: Vm): number {
  return Number(isWarm(a)) - Number(isWarm(b)) || b.createdAt - a.createdAt || (a.id < b.id ? -1 : 1);
}
