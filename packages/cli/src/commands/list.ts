// Lists Gitspaces, the last used first.
import type { CliContext } from "../program.ts";
import { columns } from "../columns.ts";
import { lastUsed, stateColour } from "../gitspace-view.ts";
import { ago } from "../moment.ts";
import { plain } from "../terminal.ts";
import { signedIn } from "./session.ts";

/** Prints every Gitspace this person may see. */
export async function list(context: CliContext): Promise<void> {
  const { terminal } = context;
  const gitspaces = (await signedIn(context).gitspaces()).toSorted((a, b) => lastUsed(b) - lastUsed(a));
  if (terminal.json) return terminal.out(JSON.stringify(gitspaces));
  if (gitspaces.length === 0) return terminal.err("There is no Gitspace yet. Make one with: gitspaces create URL");
  const now = Date.now();
  const rows = gitspaces.map((each) => [
    each.identifier,
    each.state,
    plain(each.code_repo_url),
    plain(each.branch ?? "-"),
    each.user_id,
    ago(lastUsed(each), now),
  ]);
  const table = columns(
    [["ID", "STATE", "REPOSITORY", "BRANCH", "OWNER", "LAST USED"], ...rows],
    (cell, row, column) => {
      if (row === 0) return terminal.paint("dim", cell);
      return column === 1 ? terminal.paint(stateColour(cell), cell) : cell;
    },
  );
  terminal.out(table);
}
