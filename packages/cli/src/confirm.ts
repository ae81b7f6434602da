// Asks before something that cannot simply be taken back.
import { createInterface } from "node:readline/promises";
import { fail } from "@gitspaces/contracts";
import type { CliContext } from "./program.ts";

/** @throws {FailureError} `cancelled` with `otherwise` unless the answer is yes, `bad_request` when nobody is there to ask. */
export async function confirm({ terminal, signal }: CliContext, question: string, otherwise: string): Promise<void> {
  if (!terminal.interactive || terminal.json) throw fail("bad_request", "Nobody is there to ask: confirm with --yes.");
  const lines = createInterface({ input: terminal.stdin, output: process.stderr });
  const interrupted = new AbortController();
  lines.once("SIGINT", () => interrupted.abort());
  const answer = await lines
    .question(question, { signal: AbortSignal.any([signal, interrupted.signal]) })
    .catch(() => "");
  lines.close();
  if (!/^y(es)?$/i.test(answer.trim())) throw fail("cancelled", otherwise);
}
