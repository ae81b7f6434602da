// How a command ended, told by its exit code and, for people, by one line.
import type { Failure, FailureCode } from "@gitspaces/contracts";
import { plain, type Terminal } from "./terminal.ts";

export const exitCodes = { ok: 0, failed: 1, usage: 2, notFound: 3, denied: 4, timeout: 5 } as const;

const meaning: Partial<Record<FailureCode, number>> = {
  bad_request: exitCodes.usage,
  not_found: exitCodes.notFound,
  denied: exitCodes.denied,
  timeout: exitCodes.timeout,
};

/** The exit code of a failure. */
export function exitCode(failure: Failure): number {
  return meaning[failure.code] ?? exitCodes.failed;
}

/** Says a failure: an object on stdout with `--json`, otherwise one line on stderr. `also` travels beside it in the object. */
export function sayFailure(terminal: Terminal, failure: Failure, also: object = {}): void {
  if (terminal.json) terminal.out(JSON.stringify({ failure, ...also }));
  else terminal.err(`${terminal.paint("red", "error:", "err")} ${plain(failure.message)}`);
}
