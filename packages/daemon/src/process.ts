// A daemon's life as a process: start, wait for a signal, stop before a deadline. A second signal ends it at once.
import { once } from "node:events";
import { FailureError } from "@gitspaces/contracts";
import { readFailpoints } from "./failpoint.ts";
import { createLog, type Logger, logLevels } from "./log.ts";

const STOP_DEADLINE_MS = 25_000;

/** What a start gives. It may be over by itself. */
export type Running = AsyncDisposable & { readonly over?: Promise<void> };

/**
 * Runs a daemon until it is told to stop. `start` opens everything; what it gives is disposed at the end.
 * A start that fails is told in words and ends the process with 1.
 */
export async function runDaemon(
  name: string,
  start: (log: Logger, signal: AbortSignal) => Promise<Running>,
): Promise<void> {
  // A level that does not exist is refused with the rest of the configuration.
  const log = createLog(name, logLevels.find((level) => level === process.env["GITSPACES_LOG_LEVEL"]) ?? "info");
  const stop = new AbortController();
  listenForSignals(stop, log);
  process.on("unhandledRejection", (err) => log.error({ err }, "a promise was rejected and nobody listened"));
  // Told by the log and not by Node, which would show every property of the error.
  process.on("uncaughtException", (err) => {
    log.fatal({ err }, "an error that nobody caught");
    process.exit(1);
  });

  let running: Running;
  try {
    readFailpoints(process.env);
    running = await start(log, stop.signal);
  } catch (error) {
    if (stop.signal.aborted) process.exit(0);
    explain(log, error);
    process.exit(1);
  }
  log.info(`${name} ready`);
  const told = stop.signal.aborted ? undefined : once(stop.signal, "abort");
  await (running.over === undefined ? told : Promise.race([told, running.over]));

  log.info(stop.signal.aborted ? { signal: String(stop.signal.reason) } : {}, "stopping");
  const late = setTimeout(() => {
    log.error({ deadlineMs: STOP_DEADLINE_MS }, "stopping took too long");
    process.exit(1);
  }, STOP_DEADLINE_MS);
  await running[Symbol.asyncDispose]();
  clearTimeout(late);
  log.info("stopped");
  process.exit(0);
}

function listenForSignals(stop: AbortController, log: Logger): void {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      if (stop.signal.aborted) {
        log.warn({ signal }, "second signal, leaving at once");
        process.exit(130);
      }
      stop.abort(signal);
    });
  }
}

/** A person reads why: the failure's own words when there are some, the stack when there are none. */
function explain(log: Logger, error: unknown): void {
  if (error instanceof FailureError) {
    log.fatal(
      { failure: error.failure, ...(error.cause === undefined ? {} : { err: error.cause }) },
      "could not start",
    );
    process.stderr.write(`${error.failure.message}\n`);
    return;
  }
  log.fatal({ err: error }, "could not start");
}
