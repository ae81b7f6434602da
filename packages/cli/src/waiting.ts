// Waits until an action is through, telling its timeline on stderr as it happens.
import { fail, type Failure, FailureError, Gitspace, GitspaceEvent } from "@gitspaces/contracts";
import type { Api } from "./api.ts";
import { judge, type Goal, type Outcome } from "./outcome.ts";
import { plain, type Terminal } from "./terminal.ts";
import { startTimeline, timelineLine } from "./timeline.ts";

export type Waiting = {
  goal: Goal;
  /** The Gitspace as the action's acceptance answered it. */
  from: Gitspace;
  /** The id of the last event before the action. */
  afterEvent: number;
  timeoutMs: number;
  signal: AbortSignal;
};

/** How a wait ended; the Gitspace is absent once deleted. */
export type Ended = { gitspace: Gitspace | undefined; failure?: Failure };

/**
 * Follows a Gitspace until its action is through.
 * @throws {FailureError} `timeout` after `timeoutMs`, `cancelled` when the signal aborts; the action itself goes on.
 */
export async function waitFor(api: Api, terminal: Terminal, waiting: Waiting): Promise<Ended> {
  const { goal, from, afterEvent, timeoutMs } = waiting;
  const id = from.identifier;
  const tell = teller(terminal, afterEvent, ends[goal]);
  const done = new AbortController();
  const late = AbortSignal.timeout(timeoutMs);
  const signal = AbortSignal.any([waiting.signal, late, done.signal]);
  const stream = api.eventStream(id, {
    lastEventId: String(afterEvent),
    signal,
    onBroken: (reason) =>
      terminal.err(terminal.paint("dim", `          connection lost (${plain(reason.message)}), trying again`, "err")),
  });
  let gitspace: Gitspace | undefined = from;
  try {
    for await (const item of stream) {
      if (item.opened) gitspace = await present(api, id, gitspace);
      else if (item.event === "state") gitspace = Gitspace.parse(JSON.parse(item.data));
      else if (item.event === "deleted") gitspace = undefined;
      else if (item.event === "timeline") {
        const event = GitspaceEvent.parse(JSON.parse(item.data));
        tell(event);
        if (!/^gitspace_action_.*_(completed|failed)$/.test(event.event)) continue;
        gitspace = await present(api, id, gitspace);
      } else continue;
      const outcome = judge(goal, id, gitspace, from.generation);
      if (outcome.settled) return await ended(api, id, gitspace, outcome, tell);
    }
  } catch (error) {
    if (!signal.aborted) {
      const outcome = isMissing(error) ? judge(goal, id, undefined, from.generation) : undefined;
      if (outcome?.settled !== true) throw error;
      return { gitspace: undefined, ...(outcome.failure === undefined ? {} : { failure: outcome.failure }) };
    }
  } finally {
    done.abort();
  }
  const seen = `Follow it with: gitspaces events ${id} --follow`;
  if (waiting.signal.aborted)
    throw fail("cancelled", `No longer waiting; ${id} is ${gitspace?.state ?? "gone"} and goes on. ${seen}`);
  throw fail(
    "timeout",
    `${id} is still ${gitspace?.state ?? "gone"} after ${timeoutMs / 1_000} s and goes on. ${seen}`,
  );
}

/** The state may overtake the last events: those not yet told are read once more before the wait ends. */
async function ended(
  api: Api,
  id: string,
  gitspace: Gitspace | undefined,
  outcome: Outcome & { settled: true },
  tell: (event: GitspaceEvent) => void,
): Promise<Ended> {
  // How it ended is known; that a control plane which has just left cannot tell the rest changes nothing of it.
  if (gitspace !== undefined) for (const event of await api.latestEvents(id).catch(() => [])) tell(event);
  return { gitspace, ...(outcome.failure === undefined ? {} : { failure: outcome.failure }) };
}

const ends: Record<Goal, RegExp> = {
  running: /^gitspace_action_(start|reset)_(completed|failed)$/,
  stopped: /^gitspace_action_(stop|reset|undelete)_(completed|failed)$/,
  deleted: /^gitspace_action_delete_(completed|failed)$/,
};

/** Tells each event once, up to the end of the action: what is tidied up after it nobody waits for. */
function teller(terminal: Terminal, afterEvent: number, end: RegExp): (event: GitspaceEvent) => void {
  const timeline = startTimeline();
  let isOver = false;
  return (event) => {
    if (isOver || event.id <= afterEvent) return;
    const entry = timeline.read(event);
    if (entry !== undefined) terminal.err(timelineLine(terminal, entry, "err"));
    isOver = end.test(event.event);
  };
}

/** What is there now, or still `known` when nobody answers: then the stream breaks too, and it is read anew with the next one. */
async function present(api: Api, id: string, known: Gitspace | undefined): Promise<Gitspace | undefined> {
  return api.gitspace(id).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    if (error instanceof FailureError && error.failure.retry === "later") return known;
    throw error;
  });
}

function isMissing(error: unknown): boolean {
  return error instanceof FailureError && error.failure.code === "not_found";
}
