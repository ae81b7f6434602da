// What the lifecycle machine answers: what to write, never how it is written.
import type { EventKind, Failure } from "@gitspaces/contracts";
import type { ActionName, InstanceState, Marks, Phase, Situation } from "./situation.ts";

export type EventNote = { kind: EventKind; message: string; fields?: Record<string, unknown> };

export type Change = {
  state: InstanceState;
  generation: number;
  action: ActionName | null;
  phase: Phase | null;
  /** `write` a task for the phase, `keep` the one that is out, or `none`; a task that is out and not kept is cancelled. */
  task: "write" | "keep" | "none";
  /** The generation of the task to write; a release belongs to the action that left the VM behind. */
  taskGeneration: number;
  /** `new` leaves the present instance as history; `retire` does so as `pending_cleanup`. */
  instance: "same" | "new" | "retire";
  hasVm: boolean;
  attempts: number;
  /** When to send `retry`, milliseconds since the epoch. */
  retryAt: number | null;
  marks: Marks;
  /** When the home disk of a deleted Gitspace goes, milliseconds since the epoch. */
  purgeAt: number | null;
  /** Why the state is `error`, or why a step has to be repeated. */
  failure: Failure | null;
  /** Set when the action of this generation is over. */
  finished: "ok" | "failed" | null;
  events: EventNote[];
  /** The Gitspace itself is gone. */
  gone: boolean;
};

export type Decision =
  | { outcome: "refused"; failure: Failure }
  | { outcome: "unchanged" }
  | { outcome: "changed"; change: Change };

export const unchanged: Decision = { outcome: "unchanged" };

/** A change that keeps all that `patch` does not name. Nothing is under way afterwards unless it says so. */
export function changed(from: Situation, patch: Partial<Change> & { state: InstanceState }): Decision {
  const generation = patch.generation ?? from.generation;
  const change: Change = {
    generation,
    action: from.action,
    phase: null,
    task: "none",
    taskGeneration: generation,
    instance: "same",
    hasVm: from.hasVm,
    attempts: 0,
    retryAt: null,
    marks: from.marks,
    purgeAt: from.purgeAt,
    failure: null,
    finished: null,
    events: [],
    gone: false,
    ...patch,
  };
  return { outcome: "changed", change };
}
