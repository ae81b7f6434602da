// Shows the events of a Gitspace, and goes on with `--follow`.
import { GitspaceEvent } from "@gitspaces/contracts";
import type { CliContext } from "../program.ts";
import { moment } from "../moment.ts";
import { findGitspace } from "../reference.ts";
import { plain } from "../terminal.ts";
import { startTimeline, timelineLine } from "../timeline.ts";
import { signedIn } from "./session.ts";

/** Prints what happened so far and, with `follow`, what happens until Ctrl-C. */
export async function events(context: CliContext, reference: string, options: { follow?: boolean }): Promise<void> {
  const { terminal, signal } = context;
  const api = signedIn(context);
  const { identifier: id } = await findGitspace(api, reference);
  const timeline = startTimeline();
  const tell = (event: GitspaceEvent): void => {
    const entry = timeline.read(event);
    if (entry === undefined) return;
    if (terminal.json) terminal.out(JSON.stringify(event));
    else terminal.out(`${terminal.paint("dim", moment(event.timestamp))}${timelineLine(terminal, entry, "out")}`);
  };
  const before = await api.events(id);
  if (terminal.json && options.follow !== true) return terminal.out(JSON.stringify(before));
  before.forEach(tell);
  if (options.follow !== true) return;
  const onBroken = (reason: Error): void => terminal.err(`connection lost (${plain(reason.message)}), trying again`);
  const lastEventId = String(before.reduce((latest, event) => Math.max(latest, event.id), 0));
  for await (const item of api.eventStream(id, { lastEventId, signal, onBroken })) {
    if (!item.opened && item.event === "timeline") tell(GitspaceEvent.parse(JSON.parse(item.data)));
  }
}
