// Whether a task may be taken. Pure: the same facts give the same ruling.
import { isDeepStrictEqual } from "node:util";
import { type Failure, failure, type GitspaceTask, type Identity } from "@gitspaces/contracts";

export type Facts = {
  identity: Identity | undefined;
  /** The journalled task of the same id. */
  known: GitspaceTask | undefined;
  /** The highest generation seen. */
  generation: number;
  /** Milliseconds since the epoch. */
  now: number;
};
export type Ruling = { take: "new" | "known" } | { refuse: Failure; alarm?: string };

/** Rules on a task whose signature was verified. */
export function ruleOnTask(task: GitspaceTask, { identity, known, generation, now }: Facts): Ruling {
  if (identity === undefined) {
    return { refuse: failure("conflict", "This VM belongs to no Gitspace yet.", { retry: "later" }) };
  }
  if (task.gitspaceId !== identity.gitspaceId) {
    return {
      refuse: failure("denied", "The task is for another Gitspace.", { field: "gitspaceId" }),
      alarm: "a task for another Gitspace was sent here",
    };
  }
  if (known !== undefined) {
    return isDeepStrictEqual(known, task)
      ? { take: "known" }
      : {
          refuse: failure("conflict", "A task with this id and another body is in the journal.", { retry: "never" }),
          alarm: "a task's id came again with another body",
        };
  }
  if (task.generation < generation) {
    return {
      refuse: failure("superseded", `Generation ${task.generation} is over; the present one is ${generation}.`),
    };
  }
  if (task.deadline <= now) return { refuse: failure("expired", tooLate(task.deadline, now)) };
  return { take: "new" };
}

/** A task is sent at once, so one that comes too late is most often the work of two clocks that disagree. */
function tooLate(deadline: number, now: number): string {
  const [due, here] = [deadline, now].map((at) => new Date(at).toISOString());
  const cure = "If it came at once, the clocks of control plane and VM disagree: set both by NTP.";
  return `The task's deadline, ${due}, had passed by the clock of its VM, which says ${here}. ${cure}`;
}

/** Whether a new task makes one that is still being worked on pointless: a start yields to every later action. */
export function supersedes(later: GitspaceTask, present: GitspaceTask): boolean {
  return present.type === "gitspace.start" && later.type !== "gitspace.status" && later.generation > present.generation;
}
