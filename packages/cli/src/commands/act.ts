// Starts, stops, resets or undeletes a Gitspace, or cancels its start.
import type { Gitspace } from "@gitspaces/contracts";
import { confirm } from "../confirm.ts";
import type { Goal } from "../outcome.ts";
import type { CliContext, Ending } from "../program.ts";
import { showGitspace } from "../gitspace-view.ts";
import { findGitspace } from "../reference.ts";
import { waitFor } from "../waiting.ts";
import { latestEvent, signedIn } from "./session.ts";

export type WaitOptions = { wait?: boolean; timeout: number };

/** Starts a Gitspace; with `wait`, ends when it runs. */
export async function start(context: CliContext, reference: string, options: WaitOptions): Promise<Ending> {
  return act(context, reference, options, { action: "start", goal: "running", saying: "starting" });
}

/** Stops a Gitspace; with `wait`, ends when it is stopped. */
export async function stop(context: CliContext, reference: string, options: WaitOptions): Promise<Ending> {
  return act(context, reference, options, { action: "stop", goal: "stopped", saying: "stopping" });
}

/** Gives up a start; with `wait`, ends when it is stopped and its VM released. */
export async function cancel(context: CliContext, reference: string, options: WaitOptions): Promise<Ending> {
  return act(context, reference, options, { action: "cancel", goal: "stopped", saying: "being stopped" });
}

/** Gives a Gitspace a fresh VM, after asking; with `wait`, ends when it runs again, or is stopped if it did not run. */
export async function reset(
  context: CliContext,
  reference: string,
  { yes, ...options }: WaitOptions & { yes?: boolean },
): Promise<Ending> {
  const api = signedIn(context);
  const { identifier: id, state } = await findGitspace(api, reference);
  const question = `Reset ${id}? Its VM and what runs there go; its files stay. [y/N] `;
  if (yes !== true) await confirm(context, question, "Nothing was reset.");
  const goal = state === "running" ? "running" : "stopped";
  return act(context, id, options, { action: "reset", goal, saying: "being reset" });
}

/** Takes a delete back while the files are kept; with `wait`, ends when it is stopped. */
export async function undelete(context: CliContext, reference: string, options: WaitOptions): Promise<Ending> {
  const { identifier: id } = await findGitspace(signedIn(context), reference, { deleted: true });
  return act(context, id, options, { action: "undelete", goal: "stopped", saying: "being taken back" });
}

type Deed = { action: "start" | "stop" | "reset" | "cancel" | "undelete"; goal: Goal; saying: string };

async function act(context: CliContext, reference: string, options: WaitOptions, deed: Deed): Promise<Ending> {
  const { terminal, signal } = context;
  const api = signedIn(context);
  const { identifier: id } = await findGitspace(api, reference);
  const afterEvent = options.wait === true ? await latestEvent(api, id) : 0;
  const from = await api.act(id, deed.action);
  if (isThere(deed, from)) return showGitspace(terminal, from);
  if (options.wait !== true) {
    terminal.err(`${id} is ${deed.saying}. Follow it with: gitspaces events ${id} --follow`);
    return showGitspace(terminal, from);
  }
  const ended = await waitFor(api, terminal, {
    goal: deed.goal,
    from,
    afterEvent,
    timeoutMs: options.timeout * 1_000,
    signal,
  });
  if (ended.failure !== undefined || ended.gitspace === undefined) return ended as Ending;
  return showGitspace(terminal, ended.gitspace);
}

/** What is done at once needs no word on how to follow it. */
function isThere({ action, goal }: Deed, { state }: Gitspace): boolean {
  return action === "undelete" && state === goal;
}
