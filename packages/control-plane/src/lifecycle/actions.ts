// What each action does in each state.
import { failure } from "@gitspaces/contracts";
import { type Decision, type EventNote, changed, unchanged } from "./decision.ts";
import { type Situation, isBusy, isFinal, shownState } from "./situation.ts";

export function conflict(message: string): Decision {
  return { outcome: "refused", failure: failure("conflict", message) };
}

function deletedWords({ state }: Situation): string {
  return state === "deleted"
    ? "The Gitspace is deleted. Undelete it first, while its files are kept."
    : "The Gitspace is being deleted.";
}

/** The refusal that every action but delete shares, or nothing. */
function refusal(now: Situation): Decision | undefined {
  if (now.marks.deletion) return conflict(deletedWords(now));
  if (isBusy(now.state)) {
    const state = now.state === "resetting" ? "resetting" : shownState(now.state);
    return conflict(`The Gitspace is ${state}; wait until that is over.`);
  }
  return undefined;
}

/** A start on a running Gitspace changes nothing. A VM that a failed action left behind is released before a new one is made. */
export function start(now: Situation): Decision {
  const refused = refusal(now);
  if (refused !== undefined) return refused;
  if (now.state === "running" && !now.marks.infraReset) return unchanged;
  const retire = now.marks.infraReset && !isFinal(now.state);
  const releasing = now.phase === "release";
  const release = releasing || now.hasVm;
  const generation = now.generation + 1;
  return changed(now, {
    state: "starting",
    generation,
    action: "start",
    phase: release ? "release" : "provision",
    task: releasing ? "keep" : "write",
    taskGeneration: release ? now.generation : generation,
    instance: retire ? "retire" : isFinal(now.state) ? "new" : "same",
    events: [
      { kind: "gitspace_action_start", message: "Starting the Gitspace" },
      release ? releasingVm : { kind: "infra_provisioning_start", message: "Asking for a VM" },
    ],
  });
}

export const releasingVm: EventNote = { kind: "infra_stop_start", message: "Releasing the VM that was left" };

/** Stopping what is stopped changes nothing. After an error the agent is not asked again: its VM is released at once. */
export function stop(now: Situation, automatic: boolean): Decision {
  const refused = refusal(now);
  if (refused !== undefined) return refused;
  if (automatic && now.state !== "running") return unchanged;
  const begin = automatic
    ? ({ kind: "gitspace_action_auto_stop", message: "Stopping the Gitspace, which was idle" } as const)
    : ({ kind: "gitspace_action_stop", message: "Stopping the Gitspace" } as const);
  const accepted = { state: "stopping", generation: now.generation + 1, action: "stop", task: "write" } as const;

  if (now.state === "running" || now.state === "unknown") {
    return changed(now, { ...accepted, phase: "agent_stop", events: [begin] });
  }
  if (now.state === "error" && now.hasVm) {
    return changed(now, {
      ...accepted,
      phase: "vm_stop",
      events: [begin, { kind: "infra_stop_start", message: "Releasing the VM" }],
    });
  }
  return now.state === "error"
    ? conflict("The Gitspace has failed and has no VM to stop; start it, or delete it.")
    : unchanged;
}

/**
 * Takes the VM away and, when it was running, starts again on a fresh one; the home disk stays. The VM is released under the
 * generation that has it, since under the new one no VM is provisioned after a stop.
 */
export function reset(now: Situation): Decision {
  const refused = refusal(now);
  if (refused !== undefined) return refused;
  if (now.state === null) return conflict("The Gitspace was never started, so there is nothing to reset.");
  const isUp = now.state === "running" || now.state === "unknown";
  const releasing: EventNote = { kind: "infra_reset_start", message: "Releasing its VM; the home disk is kept" };
  const begin: EventNote = { kind: "gitspace_action_reset", message: "Resetting the Gitspace" };
  return changed(now, {
    state: "resetting",
    generation: now.generation + 1,
    action: "reset",
    phase: isUp ? "agent_stop" : "vm_stop",
    task: "write",
    marks: { ...now.marks, reset: true },
    events: isUp ? [begin] : [begin, releasing],
  });
}

/** Gives up a start and frees what it took. */
export function cancel(now: Situation): Decision {
  if (now.marks.deletion) return conflict(deletedWords(now));
  if (now.state !== "starting")
    return conflict(`Only a start can be cancelled; the Gitspace is ${shownState(now.state)}.`);
  return changed(now, {
    state: "stopping",
    generation: now.generation + 1,
    action: "cancel",
    phase: "vm_stop",
    task: "write",
    events: [
      { kind: "gitspace_action_cancel", message: "Cancelling the start" },
      { kind: "infra_stop_start", message: "Releasing the VM" },
    ],
  });
}

/** Frees the machine of an instance nobody uses; the home disk stays. */
export function cleanup(now: Situation): Decision {
  const refused = refusal(now);
  if (refused !== undefined) return refused;
  if (now.state === null || now.state === "uninitialized" || now.state === "deleted" || now.state === "cleaned")
    return unchanged;
  return changed(now, {
    state: "cleaning",
    generation: now.generation + 1,
    action: "cleanup",
    phase: "vm_stop",
    task: "write",
    events: [
      { kind: "gitspace_action_cleanup_job", message: "Cleaning up the Gitspace" },
      { kind: "infra_cleanup_start", message: "Releasing the VM" },
    ],
  });
}
