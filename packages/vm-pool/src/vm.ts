// What is known of a VM: two independent facts, its power and its owner. What must not happen does not compile.
import type { GitspaceId, InstanceId, Power, TaskId } from "@gitspaces/contracts";

/** Where a VM's agent listens, and the key it must show there. */
export type Reach = { address: string; port: number; keyFingerprint: string };

/** Whom a VM belongs to, for its whole life: set once, never cleared. The generation and task are those of the claim. */
export type Owner = { gitspaceId: GitspaceId; generation: number; taskId: TaskId };

/** How far the agent inside a running VM is. Only a ready one can be handed out. */
export type Agent = { agent: "starting" } | { agent: "failed"; reason: string } | ({ agent: "ready" } & Reach);

export type PowerFact =
  | { power: "making" }
  | ({ power: "running" } & Agent)
  | ({ power: "suspending" | "suspended" | "resuming" } & Reach)
  | { power: "deleting" }
  | { power: "gone" };

export type Vm = {
  id: InstanceId;
  pool: string;
  /** When its making began, milliseconds since the epoch. */
  createdAt: number;
  owner: Owner | null;
} & PowerFact;

/** A VM that may be handed out: nobody's, and its agent is ready (or sleeps and was ready). */
export type WarmVm = Vm & { owner: null } & (
    | Extract<PowerFact, { power: "running"; agent: "ready" }>
    | Extract<PowerFact, { power: "suspending" | "suspended" | "resuming" }>
  );

/** Whether the VM is pool stock that can be handed out now. */
export function isWarm(vm: Vm): vm is WarmVm {
  if (vm.owner !== null) return false;
  return (vm.power === "running" && vm.agent === "ready") || vm.power === "suspended";
}

/** Whether the VM still takes one of its pool's slots: everything that is not gone does. */
export function takesSlot(vm: Vm): boolean {
  return vm.power !== "gone";
}

/** Which power may follow which. A machine can vanish in any state, so `gone` follows all of them. */
export const nextPower = {
  making: ["running", "deleting", "gone"],
  running: ["suspending", "deleting", "gone"],
  suspending: ["suspended", "running", "deleting", "gone"],
  suspended: ["resuming", "deleting", "gone"],
  resuming: ["running", "suspended", "deleting", "gone"],
  deleting: ["gone"],
  gone: [],
} as const satisfies Record<Power, readonly Power[]>;

/** Whether a VM's power may change so. Staying as it is always may. */
export function mayFollow(from: Power, to: Power): boolean {
  return from === to || (nextPower[from] as readonly Power[]).includes(to);
}

/** Gives a VM without owner to a Gitspace. An owned one is not accepted by the compiler: claims are for life. */
export function claim(vm: WarmVm, owner: Owner): Vm & { owner: Owner } {
  return { ...vm, owner };
}
