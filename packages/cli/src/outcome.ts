// Whether a Gitspace has got where an action was to bring it. Pure, so that a table is its test.
import type { Failure, Gitspace } from "@gitspaces/contracts";

export type Goal = "running" | "stopped" | "deleted";
export type Outcome = { settled: false } | { settled: true; failure?: Failure };

const pending: Outcome = { settled: false };
const reached: Outcome = { settled: true };

/** Judges a Gitspace, or its absence, by the goal of the action that had this generation. */
export function judge(goal: Goal, id: string, gitspace: Gitspace | undefined, generation: number): Outcome {
  if (gitspace === undefined) {
    return goal === "deleted" ? reached : failed("not_found", `${id} was deleted while it was waited for.`);
  }
  if (gitspace.generation < generation) return pending;
  if (gitspace.state === goal) return reached;
  if (gitspace.state === "deleted") return failed("not_found", `${id} was deleted while it was waited for.`);
  if (gitspace.state === "error") {
    const message = (gitspace.instance?.error_message ?? "it gives no reason").replace(/[^.!?]$/, "$&.");
    return failed(
      gitspace.instance?.error_code ?? "internal",
      `${id} failed: ${message} Its events: gitspaces events ${id}`,
    );
  }
  if (gitspace.generation > generation && (gitspace.state === "running" || gitspace.state === "stopped")) {
    return failed("superseded", `${id} is ${gitspace.state}: another action took over.`);
  }
  return pending;
}

function failed(code: string, message: string): Outcome {
  return { settled: true, failure: { code: code as Failure["code"], message, retry: "never" } };
}
