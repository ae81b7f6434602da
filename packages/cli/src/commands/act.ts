// Starts and stops a Gitspace.
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

type Deed = { action: "start" | "stop"; goal: Goal; saying: string };

async function act(context: CliContext, reference: string, options: WaitOptions, deed: Deed): Promise<Ending> {
  const { terminal, signal } = context;
  const api = signedIn(context);
  const { identifier: id } = await findGitspace(api, reference);
  const afterEvent = options.wait === true ? await latestEvent(api, id) : 0;
  const from = await api.act(id, deed.action);
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
