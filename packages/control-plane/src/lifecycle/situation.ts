// What the lifecycle machine looks at: the state of a Gitspace's newest instance, and what is being done about it.
import type { Failure, GitspaceState } from "@gitspaces/contracts";

export const instanceStates = [
  "uninitialized",
  "starting",
  "running",
  "stopping",
  "stopped",
  "resetting",
  "cleaning",
  "cleaned",
  "pending_cleanup",
  "deleted",
  "error",
  "unknown",
] as const;
export type InstanceState = (typeof instanceStates)[number];

/** What somebody or something asked for. `cleanup` frees the machine of a broken instance and keeps the home disk. */
export type ActionName = "start" | "stop" | "reset" | "delete" | "undelete" | "cancel" | "cleanup";

/**
 * The step whose task is out. `release` frees a VM that a failed action left behind; it belongs to that action's generation
 * and goes before the next `provision`.
 */
export type Phase = "release" | "provision" | "start" | "agent_stop" | "vm_stop" | "remove" | "destroy";

export type Marks = { deletion: boolean; reset: boolean; infraReset: boolean };

export type Situation = {
  /** Null before the first start. */
  state: InstanceState | null;
  generation: number;
  /** The action under way, or the last one when it failed. */
  action: ActionName | null;
  /** Null when no task is out. */
  phase: Phase | null;
  /** Whether a VM may exist: true from the moment somebody took the task that makes one, until one is known to be gone. */
  hasVm: boolean;
  /** How often the present step has failed in a row. */
  attempts: number;
  marks: Marks;
  /** When the home disk of a deleted Gitspace goes, milliseconds since the epoch; null when nothing is kept for a while. */
  purgeAt: number | null;
};

export type Report = "running" | "error" | "stopped" | "unknown";

export type Trigger =
  | { on: "start" | "stop" | "auto_stop" | "reset" | "undelete" | "cancel" | "cleanup" | "retry" }
  /** `graceMs`: for how long it can be taken back; 0 removes the home disk at once. */
  | { on: "delete"; graceMs: number }
  /** The present phase's task was done. */
  | { on: "ok" }
  /** It was not done. `acquired`: somebody had taken it. `connected`: the agent had been heard of. */
  | { on: "failed"; failure: Failure; acquired: boolean; connected: boolean }
  /** What was seen of a Gitspace without having asked it to change. `vm`: whether its VM exists. */
  | { on: "report"; state: Report; message: string; vm: boolean };

/** The phases that wait for the agent in the VM. */
export const agentPhases: readonly Phase[] = ["start", "agent_stop", "remove"];

const shown: Record<InstanceState, GitspaceState> = {
  uninitialized: "uninitialized",
  deleted: "deleted",
  cleaned: "uninitialized",
  error: "error",
  unknown: "error",
  cleaning: "cleaning",
  resetting: "cleaning",
  pending_cleanup: "cleaning",
  starting: "starting",
  running: "running",
  stopping: "stopping",
  stopped: "stopped",
};

/** The state a person sees. */
export function shownState(state: InstanceState | null): GitspaceState {
  return state === null ? "uninitialized" : shown[state];
}

/** Something is under way; another action has to wait. */
export function isBusy(state: InstanceState | null): boolean {
  return state === "starting" || state === "stopping" || state === "cleaning" || state === "resetting";
}

/** The next start makes a new instance. */
export function isFinal(state: InstanceState | null): boolean {
  return (
    state === null || state === "deleted" || state === "error" || state === "cleaned" || state === "pending_cleanup"
  );
}
