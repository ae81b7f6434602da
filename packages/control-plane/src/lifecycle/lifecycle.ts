// The lifecycle of a Gitspace as a pure state machine: what to do about a trigger in a situation.
import { failure } from "@gitspaces/contracts";
import { cancel, cleanup, releasingVm, reset, start, stop } from "./actions.ts";
import { type Decision, type EventNote, changed, unchanged } from "./decision.ts";
import { deleteAgain, remove, undelete } from "./deletion.ts";
import { done, failed } from "./results.ts";
import { agentPhases, type Situation, type Trigger } from "./situation.ts";

/** Decides about a trigger. Total: what does not fit the situation changes nothing. `at`: milliseconds since the epoch. */
export function decide(now: Situation, trigger: Trigger, at: number): Decision {
  switch (trigger.on) {
    case "start":
      return start(now);
    case "stop":
      return stop(now, false);
    case "auto_stop":
      return stop(now, true);
    case "reset":
      return reset(now);
    case "delete":
      return remove(now, trigger.graceMs, at);
    case "undelete":
      return undelete(now, at);
    case "cancel":
      return cancel(now);
    case "cleanup":
      return cleanup(now);
    case "ok":
      return done(now);
    case "failed":
      return failed(now, trigger, at);
    case "report":
      return reported(now, trigger, at);
    default:
      trigger.on satisfies "retry";
      return retry(now, at);
  }
}

/**
 * What was seen of an instance counts only while nothing is being done about it, except that its VM is gone: then nobody is there
 * who could answer what the agent was asked.
 */
function reported(now: Situation, report: Extract<Trigger, { on: "report" }>, at: number): Decision {
  if (report.state === "stopped" && !report.vm && now.phase !== null && agentPhases.includes(now.phase)) {
    const gone = failure("vm_unreachable", report.message);
    return failed(now, { on: "failed", failure: gone, acquired: true, connected: true }, at);
  }
  if (now.state !== "running" && now.state !== "unknown") return unchanged;
  if (report.state === now.state) return unchanged;
  const event: EventNote = { kind: `agent_gitspace_state_report_${report.state}`, message: report.message };
  if (report.state !== "error") return changed(now, { state: report.state, hasVm: report.vm, events: [event] });
  return changed(now, {
    state: "error",
    failure: { code: "internal", message: report.message, retry: "later" },
    hasVm: report.vm,
    ...(report.vm ? { phase: "release", task: "write", events: [event, releasingVm] } : { events: [event] }),
  });
}

/** A step that has to succeed is sent again: those of a delete, and the release of a VM that was left. */
function retry(now: Situation, at: number): Decision {
  if (now.phase !== null) return unchanged;
  if (now.marks.deletion) return deleteAgain(now, at);
  if (now.state !== "error" || !now.hasVm) return unchanged;
  const again = { task: "write", attempts: now.attempts } as const;
  return changed(now, { ...again, state: "error", phase: "release", events: [releasingVm] });
}
