// Deleting in two stages: the VM goes at once, the home disk when the grace is over. Until then a delete can be taken back.
import { failure } from "@gitspaces/contracts";
import { conflict } from "./actions.ts";
import { type Change, type Decision, type EventNote, changed, unchanged } from "./decision.ts";
import type { Situation } from "./situation.ts";

const destroyingVm: EventNote = { kind: "infra_deprovisioning_start", message: "Removing the VM and the home disk" };
const releasingIt: EventNote = { kind: "infra_stop_start", message: "Releasing the VM; the home disk is kept" };

/** Accepted in every state but while cleaning: a person need not wait for a start to fail. */
export function remove(now: Situation, graceMs: number, at: number): Decision {
  if (now.marks.deletion)
    return conflict(now.state === "deleted" ? "The Gitspace is deleted already." : "The Gitspace is being deleted.");
  if (now.state === "cleaning" || now.state === "resetting") {
    return conflict(`The Gitspace is ${now.state}; wait until that is over.`);
  }
  const begin: EventNote = { kind: "gitspace_action_delete", message: "Deleting the Gitspace" };
  const purgeAt = graceMs === 0 ? null : at + graceMs;
  const marks = { ...now.marks, deletion: true };
  const accepted = { generation: now.generation + 1, action: "delete", marks, purgeAt } as const;

  if (now.state === null) {
    const end: EventNote = { kind: "gitspace_action_delete_completed", message: "The Gitspace is deleted" };
    return changed(now, {
      ...accepted,
      state: "deleted",
      purgeAt: null,
      finished: "ok",
      gone: true,
      events: [begin, end],
    });
  }
  if (now.state === "running") {
    // What is kept is flushed; what is not is removed by the agent, which knows best what it started.
    const phase = purgeAt === null ? "remove" : "agent_stop";
    return changed(now, { ...accepted, state: "stopping", phase, task: "write", events: [begin] });
  }
  return changed(now, {
    ...accepted,
    state: "cleaning",
    task: "write",
    ...(purgeAt === null
      ? { phase: "destroy", events: [begin, destroyingVm] }
      : { phase: "vm_stop", events: [begin, releasingIt] }),
  });
}

/** Makes a deleted Gitspace a stopped one again, as long as its home disk is kept. */
export function undelete(now: Situation, at: number): Decision {
  if (!now.marks.deletion) return conflict("The Gitspace is not deleted.");
  // Once its removal has begun there may be nothing left to give back, whatever the clock says then.
  const hasBegun = now.phase === "destroy" || (now.state === "deleted" && now.attempts > 0);
  if (now.purgeAt === null || at >= now.purgeAt || hasBegun) {
    const message = "The files of the Gitspace are being removed; it can not be taken back any more.";
    return { outcome: "refused", failure: failure("expired", message) };
  }
  const begin: EventNote = { kind: "gitspace_action_undelete", message: "Taking the delete back" };
  const marks = { ...now.marks, deletion: false };
  const accepted = { generation: now.generation + 1, action: "undelete", marks, purgeAt: null } as const;
  if (now.state === "deleted") {
    return changed(now, { ...accepted, state: "stopped", finished: "ok", events: [begin, undeleted] });
  }
  // The VM is on its way out already, and goes on.
  return changed(now, {
    ...accepted,
    state: "stopping",
    phase: "vm_stop",
    task: "write",
    events: [begin, releasingIt],
  });
}

export const undeleted: EventNote = {
  kind: "gitspace_action_undelete_completed",
  message: "The Gitspace is stopped again, with its home disk",
};

/** The VM is gone: with the grace over, the home disk follows. */
export function tombstone(now: Situation): Decision {
  const until = now.purgeAt ?? 0;
  const message = `The Gitspace is deleted; it can be taken back until ${new Date(until).toISOString()}`;
  return changed(now, {
    state: "deleted",
    hasVm: false,
    finished: "ok",
    retryAt: until,
    events: [
      { kind: "infra_stop_completed", message: "The VM is released" },
      { kind: "gitspace_action_delete_completed", message, fields: { undelete_until: until } },
    ],
  });
}

/** The stage of a delete that is due. */
export function deleteAgain(now: Situation, at: number): Decision {
  const again = {
    state: now.state === "deleted" ? "deleted" : "cleaning",
    task: "write",
    attempts: now.attempts,
  } as const;
  if (now.purgeAt === null || at >= now.purgeAt)
    return changed(now, { ...again, phase: "destroy", events: [destroyingVm] });
  return now.state === "deleted" ? unchanged : changed(now, { ...again, phase: "vm_stop", events: [releasingIt] });
}

/** Nothing is left of it. */
export function destroyed(now: Situation): Decision {
  const events: EventNote[] = [
    { kind: "infra_deprovisioning_completed", message: "The VM and the home disk are gone" },
  ];
  if (now.state !== "deleted")
    events.push({ kind: "gitspace_action_delete_completed", message: "The Gitspace is deleted" });
  const finished: Change["finished"] = now.state === "deleted" ? null : "ok";
  return changed(now, { state: "deleted", hasVm: false, finished, gone: true, events });
}
