// The supervisor's life: bring the system up, stay while it runs, stop it in order. The second Ctrl-C does not wait.
import { once } from "node:events";
import { type Failure, FailureError, toFailure } from "@gitspaces/contracts";
import type { UpOptions } from "./options.ts";
import type { KeptProgram } from "./program.ts";
import type { News } from "./report.ts";
import { startSystem } from "./system.ts";

/** Runs until a signal comes. Gives the exit code. */
export async function supervise(options: UpOptions, tell: (news: News) => void): Promise<number> {
  const stop = new AbortController();
  const programs = new Set<KeptProgram>();
  listenForSignals(stop, programs);
  try {
    await using system = await startSystem(options, { tell, signal: stop.signal, programs });
    tell({ news: "ready", ready: system.ready, uiLink: system.uiLink });
    if (!stop.signal.aborted) await once(stop.signal, "abort");
    tell({ news: "line", text: "Stopping." });
  } catch (error) {
    if (stop.signal.aborted) {
      tell({ news: "line", text: "Stopped before it was up." });
      return 130;
    }
    tell({ news: "failure", failure: explain(error) });
    return 1;
  }
  tell({ news: "line", text: "Stopped. The data is kept." });
  return 0;
}

function listenForSignals(stop: AbortController, programs: Set<KeptProgram>): void {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (!stop.signal.aborted) return stop.abort(new Error(`stopped by ${signal}`));
      for (const program of programs) program.kill();
      process.exit(130);
    });
  }
}

/** Unlike a daemon, the launcher talks to the person who started it: an unknown error keeps its words. */
function explain(error: unknown): Failure {
  if (error instanceof FailureError) return error.failure;
  // A wait that was cut short carries the reason of its signal as its cause.
  if (error instanceof Error && error.cause instanceof FailureError) return error.cause.failure;
  const words = error instanceof Error ? error.message : String(error);
  return { ...toFailure(error), message: `Gitspaces did not come up: ${words}` };
}
