// Deletes a Gitspace with its files, after asking, and says until when it can be taken back.
import { FailureError } from "@gitspaces/contracts";
import type { Api } from "../api.ts";
import { confirm } from "../confirm.ts";
import { moment } from "../moment.ts";
import type { CliContext, Ending } from "../program.ts";
import { findGitspace } from "../reference.ts";
import { waitFor } from "../waiting.ts";
import type { WaitOptions } from "./act.ts";
import { latestEvent, signedIn } from "./session.ts";

/** Deletes a Gitspace; with `wait`, ends when its VM is gone, and with no grace its files too. */
export async function remove(
  context: CliContext,
  reference: string,
  options: WaitOptions & { yes?: boolean },
): Promise<Ending> {
  const { terminal, signal } = context;
  const api = signedIn(context);
  const found = await findGitspace(api, reference);
  const id = found.identifier;
  if (options.yes !== true) await confirm(context, `Delete ${id} and every file in it? [y/N] `, "Nothing was deleted.");
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
  const until = await keptUntil(api, id);
  if (terminal.json)
    return terminal.out(
      JSON.stringify({ identifier: id, deleted, ...(until === null ? {} : { undelete_until: until }) }),
    );
  terminal.out(deleted ? `${id} is deleted.` : `${id} is being deleted.`);
  if (until !== null)
    terminal.err(`Its files are kept until ${moment(until)}. Take it back with: gitspaces undelete ${id}`);
}

/** Until when it can be taken back, ms since the epoch; null when nothing of it is kept. */
async function keptUntil(api: Api, id: string): Promise<number | null> {
  const found = await api.gitspace(id).catch((error: unknown) => {
    if (error instanceof FailureError && error.failure.code === "not_found") return undefined;
    throw error;
  });
  return found?.undelete_until ?? null;
}
