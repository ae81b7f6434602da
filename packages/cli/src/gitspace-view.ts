// A Gitspace as it is printed: the API's object with `--json`, otherwise names and values.
import type { Gitspace } from "@gitspaces/contracts";
import { columns } from "./columns.ts";
import { ago, moment } from "./moment.ts";
import { type Colour, plain, type Terminal } from "./terminal.ts";

/** Prints one Gitspace to stdout. */
export function showGitspace(terminal: Terminal, gitspace: Gitspace): void {
  if (terminal.json) return terminal.out(JSON.stringify(gitspace));
  const { instance } = gitspace;
  const rows = [
    ["Id", gitspace.identifier],
    ["Name", plain(gitspace.name)],
    ["State", gitspace.state],
    ["Repository", plain(gitspace.code_repo_url)],
    ["Branch", plain(gitspace.branch ?? "(the default)")],
    ["Machine", plain(gitspace.resource_identifier)],
    ["Owner", plain(`${gitspace.user_display_name} (${gitspace.user_id})`)],
    ["Created", moment(gitspace.created)],
    ["Last used", ago(lastUsed(gitspace), Date.now())],
    ["Address", plain(gitspace.url)],
  ];
  if (instance?.has_git_changes === true) rows.push(["Changes", "not all committed and pushed"]);
  if (gitspace.auto_stop_minutes !== null) rows.push(["Stops", `after ${gitspace.auto_stop_minutes} idle minutes`]);
  if (gitspace.undelete_until !== null) rows.push(["Kept until", moment(gitspace.undelete_until)]);
  if (gitspace.state === "error") rows.push(["Failure", plain(instance?.error_message ?? "no reason is given")]);
  const colour = stateColour(gitspace.state);
  const failed = (name: string | undefined): boolean => name === "State" || name === "Failure";
  terminal.out(
    columns(rows, (cell, row, column) => {
      if (column === 0) return terminal.paint("dim", cell);
      return failed(rows[row]?.[0]) ? terminal.paint(colour, cell) : cell;
    }),
  );
}

/** When it was last used, or else made; ms since the epoch. */
export function lastUsed(gitspace: Gitspace): number {
  return gitspace.instance?.last_used ?? gitspace.created;
}

/** The colour of a state's name. */
export function stateColour(state: string): Colour {
  if (state === "running") return "green";
  if (state === "error") return "red";
  return state === "stopped" || state === "uninitialized" || state === "deleted" ? "dim" : "yellow";
}
