// What the end of a phase's task leads to.
import type { Failure, FailureCode } from "@gitspaces/contracts";
import { releasingVm } from "./actions.ts";
import { type Decision, type EventNote, changed, unchanged } from "./decision.ts";
import { destroyed, tombstone, undeleted } from "./deletion.ts";
import type { ActionName, Situation, Trigger } from "./situation.ts";

/** The present phase's task was done. */
export function done(now: Situation): Decision {
  const finish = (kind: EventNote["kind"], message: string): EventNote => ({ kind, message });
  switch (now.phase) {
    case "release":
      return released(now);
    case "provision":
      return changed(now, {
        state: "starting",
        phase: "start",
        task: "write",
        hasVm: true,
        events: [
          finish("infra_provisioning_completed", "The VM is there"),
          finish("agent_connect_start", "Connecting to the agent in the VM"),
        ],
      });
    case "start":
      return changed(now, {
        state: "running",
        finished: "ok",
        marks: { ...now.marks, reset: false, infraReset: false },
        events:
          now.action === "reset"
            ? [finish("gitspace_action_reset_completed", "The Gitspace is reset and runs on a fresh VM")]
            : [finish("gitspace_action_start_completed", "The Gitspace is running")],
      });
    case "agent_stop":
      return agentStopped(now, []);
    case "vm_stop":
      return vmStopped(now);
    case "remove":
      return changed(now, {
        state: "cleaning",
        phase: "destroy",
        task: "write",
        events: [finish("infra_deprovisioning_start", "Removing the VM and the home disk")],
      });
    case "destroy":
      return destroyed(now);
    default:
      now.phase satisfies null;
      return unchanged;
  }
}

/** What the agent had to do is done, or cannot be done. Before a reset's fresh VM the old one goes under its own generation. */
function agentStopped(now: Situation, events: EventNote[]): Decision {
  if (now.action !== "reset") {
    const next: EventNote = { kind: "infra_stop_start", message: "Releasing the VM" };
    return changed(now, { state: "stopping", phase: "vm_stop", task: "write", events: [...events, next] });
  }
  const next: EventNote = { kind: "infra_reset_start", message: "Releasing its VM; the home disk is kept" };
  const taskGeneration = now.generation - 1;
  return changed(now, {
    state: "resetting",
    phase: "release",
    task: "write",
    taskGeneration,
    events: [...events, next],
  });
}

function released(now: Situation): Decision {
  const asking: EventNote = { kind: "infra_provisioning_start", message: "Asking for a VM" };
  if (now.state === "resetting") {
    const events: EventNote[] = [
      { kind: "infra_reset_completed", message: "The VM is gone; the home disk is kept" },
      asking,
    ];
    return changed(now, { state: "starting", phase: "provision", task: "write", hasVm: false, events });
  }
  const over: EventNote = { kind: "infra_stop_completed", message: "The VM that was left is released" };
  if (now.state === "starting") {
    const events: EventNote[] = [over, asking];
    return changed(now, { state: "starting", phase: "provision", task: "write", hasVm: false, events });
  }
  if (now.state !== "error") return unchanged;
  if (now.action !== "stop") return changed(now, { state: "error", hasVm: false, events: [over] });
  const stopped: EventNote = { kind: "gitspace_action_stop_completed", message: "The Gitspace is stopped" };
  return changed(now, { state: "stopped", hasVm: false, finished: "ok", events: [over, stopped] });
}

function vmStopped(now: Situation): Decision {
  if (now.action === "cleanup") {
    const events: EventNote[] = [{ kind: "infra_cleanup_completed", message: "The VM is released" }];
    return changed(now, { state: "cleaned", hasVm: false, finished: "ok", events });
  }
  if (now.action === "delete") return tombstone(now);
  if (now.action === "reset") {
    const events: EventNote[] = [
      { kind: "infra_reset_completed", message: "The VM is gone; the home disk is kept" },
      { kind: "gitspace_action_reset_completed", message: "The Gitspace is reset, and stopped" },
    ];
    return changed(now, {
      state: "stopped",
      hasVm: false,
      finished: "ok",
      marks: { ...now.marks, reset: false },
      events,
    });
  }
  if (now.action === "undelete") {
    const events: EventNote[] = [{ kind: "infra_stop_completed", message: "The VM is released" }, undeleted];
    return changed(now, { state: "stopped", hasVm: false, finished: "ok", events });
  }
  const message =
    now.action === "cancel" ? "The start was cancelled; the Gitspace is stopped" : "The Gitspace is stopped";
  const events: EventNote[] = [
    { kind: "infra_stop_completed", message: "The VM is released" },
    { kind: "gitspace_action_stop_completed", message },
  ];
  return changed(now, { state: "stopped", hasVm: false, finished: "ok", events });
}

type Failed = Extract<Trigger, { on: "failed" }>;

/** The present phase's task was not done. `at` is the time now, milliseconds since the epoch. */
export function failed(now: Situation, { failure, acquired, connected }: Failed, at: number): Decision {
  const note = (kind: EventNote["kind"]): EventNote => ({
    kind,
    message: failure.message,
    fields: { code: failure.code },
  });
  switch (now.phase) {
    case "release":
      return releaseFailed(now, failure, at);
    case "provision":
      return startFailed(now, failure, acquired, [note("infra_provisioning_failed"), note(startedBy(now))]);
    case "start":
      return startFailed(now, failure, true, [
        ...(connected ? [] : [note("agent_connect_failed")]),
        note(startedBy(now)),
      ]);
    case "agent_stop":
      return agentStopFailed(now, failure);
    case "vm_stop":
      return vmStopFailed(now, failure, at);
    case "remove":
      return changed(now, {
        state: "cleaning",
        phase: "destroy",
        task: "write",
        events: [
          note("agent_gitspace_deletion_failed"),
          { kind: "infra_deprovisioning_start", message: "Removing the VM and the home disk" },
        ],
      });
    case "destroy":
      return changed(now, {
        state: now.state === "deleted" ? "deleted" : "cleaning",
        failure,
        ...again(now, at),
        events: [note("infra_deprovisioning_failed")],
      });
    default:
      now.phase satisfies null;
      return unchanged;
  }
}

function startedBy({ action }: Situation): EventNote["kind"] {
  return action === "reset" ? "gitspace_action_reset_failed" : "gitspace_action_start_failed";
}

/** A VM may have been made by whoever took the task, so it is released and nothing leaks. */
function startFailed(now: Situation, failure: Failure, mayHaveVm: boolean, events: EventNote[]): Decision {
  const hasVm = now.hasVm || mayHaveVm;
  return changed(now, {
    state: "error",
    failure,
    finished: "failed",
    hasVm,
    ...(hasVm ? { phase: "release", task: "write", events: [...events, releasingVm] } : { events }),
  });
}

/** An agent that cannot be asked has nothing more to flush. */
const agentIsAway = new Set<FailureCode>(["vm_unreachable", "timeout", "expired", "not_found", "superseded"]);

function agentStopFailed(now: Situation, failure: Failure): Decision {
  const note: EventNote = {
    kind: "agent_gitspace_stop_failed",
    message: failure.message,
    fields: { code: failure.code },
  };
  // A reset is asked for when something is broken, and a delete has to end.
  if (agentIsAway.has(failure.code) || now.action !== "stop") return agentStopped(now, [note]);
  const events: EventNote[] = [note, { ...note, kind: "gitspace_action_stop_failed" }];
  return changed(now, { state: "error", failure, finished: "failed", events });
}

function vmStopFailed(now: Situation, failure: Failure, at: number): Decision {
  const note = (kind: EventNote["kind"]): EventNote => ({
    kind,
    message: failure.message,
    fields: { code: failure.code },
  });
  if (now.action === "delete")
    return changed(now, { state: "cleaning", failure, ...again(now, at), events: [note("infra_stop_failed")] });
  const kinds = vmStopFailures[now.action ?? "stop"] ?? ["infra_stop_failed", "gitspace_action_stop_failed"];
  const events = kinds.map(note);
  return changed(now, { state: "error", failure, finished: "failed", hasVm: true, ...again(now, at), events });
}

const vmStopFailures: Partial<Record<ActionName, EventNote["kind"][]>> = {
  cleanup: ["infra_cleanup_failed"],
  reset: ["infra_reset_failed", "gitspace_action_reset_failed"],
  undelete: ["infra_stop_failed", "gitspace_action_undelete_failed"],
};

/** While starting, the new claim's higher generation takes the disk from whatever is left. After an error it is tried again. */
function releaseFailed(now: Situation, failure: Failure, at: number): Decision {
  const note: EventNote = { kind: "infra_stop_failed", message: failure.message, fields: { code: failure.code } };
  if (now.state === "starting") {
    const events: EventNote[] = [note, { kind: "infra_provisioning_start", message: "Asking for a VM" }];
    return changed(now, { state: "starting", phase: "provision", task: "write", events });
  }
  if (now.state === "resetting") {
    const events: EventNote[] = [
      { ...note, kind: "infra_reset_failed" },
      { ...note, kind: "gitspace_action_reset_failed" },
    ];
    return changed(now, { state: "error", failure, finished: "failed", hasVm: true, ...again(now, at), events });
  }
  return now.state === "error" ? changed(now, { state: "error", ...again(now, at), events: [note] }) : unchanged;
}

const FIRST_RETRY_MS = 5_000;
const LONGEST_RETRY_MS = 600_000;

function again(now: Situation, at: number): { attempts: number; retryAt: number } {
  return { attempts: now.attempts + 1, retryAt: at + Math.min(FIRST_RETRY_MS * 2 ** now.attempts, LONGEST_RETRY_MS) };
}
