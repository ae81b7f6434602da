// Deletes a Gitspace with its files, after asking.
import { createInterface } from "node:readline/promises";
import { fail } from "@gitspaces/contracts";
import type { CliContext, Ending } from "../program.ts";
import { findGitspace } from "../reference.ts";
import { waitFor } from "../waiting.ts";
import type { WaitOptions } from "./act.ts";
import { latestEvent, signedIn } from "./session.ts";

/** Deletes a Gitspace; with `wait`, ends when nothing of it is left. */
export async function remove(
  context: CliContext,
  reference: string,
  options: WaitOptions & { yes?: boolean },
): Promise<Ending> {
  const { terminal, signal } = context;
  const api = signedIn(context);
  const found = await findGitspace(api, reference);
  const id = found.identifier;
  if (options.yes !== true) await confirm(context, `Delete ${id} and every file in it? [y/N] `);
  const afterEvent = options.wait === true ? await latestEvent(api, id) : 0;
  await api.removeGitspace(id);
  if (options.wait === true) {
    // Deleting is an action, so the generation is the next one.
    const from = { ...found, generation: found.generation + 1 };
    const ended = await waitFor(api, terminal, {
      goal: "deleted",
      from,
      afterEvent,
      timeoutMs: options.timeout * 1_000,
      signal,
    });
    if (ended.failure !== undefined)
      return { failure: ended.failure, ...(ended.gitspace === undefined ? {} : { gitspace: ended.gitspace }) };
  }
  const deleted = options.wait === true;
  if (terminal.json) terminal.out(JSON.stringify({ identifier: id, deleted }));
  else terminal.out(deleted ? `${id} is deleted.` : `${id} is being deleted.`);
}

async function confirm({ terminal, signal }: CliContext, question: string): Promise<void> {
  if (!terminal.interactive || terminal.json) throw fail("bad_request", "Nobody is there to ask: confirm with --yes.");
  const lines = createInterface({ input: terminal.stdin, output: process.stderr });
  const interrupted = new AbortController();
  lines.once("SIGINT", () => interrupted.abort());
  const answer = await lines
    .question(question, { signal: AbortSignal.any([signal, interrupted.signal]) })
    .catch(() => "");
  lines.close();
  if (!/^y(es)?$/i.test(answer.trim())) throw fail("cancelled", "Nothing was deleted.");
}
