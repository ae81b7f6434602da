// Lists Gitspaces, the last used first.
import type { CliContext } from "../program.ts";
import { columns } from "../columns.ts";
import { lastUsed, stateColour } from "../gitspace-view.ts";
import { ago, moment } from "../moment.ts";
import { plain } from "../terminal.ts";
import { signedIn } from "./session.ts";

/** Prints every Gitspace of this person; with `deleted` those that can be taken back, and until when. */
export async function list(context: CliContext, { deleted = false }: { deleted?: boolean }): Promise<void> {
  const { terminal } = context;
  const gitspaces = (await signedIn(context).gitspaces({ deleted })).toSorted((a, b) => lastUsed(b) - lastUsed(a));
  if (terminal.json) return terminal.out(JSON.stringify(gitspaces));
  if (gitspaces.length === 0) {
    return terminal.err(
      deleted
        ? "There is no deleted Gitspace that could be taken back."
        : "There is no Gitspace yet. Make one with: gitspaces create URL",
    );
  }
  const now = Date.now();
  const rows = gitspaces.map((each) => [
    each.identifier,
    each.state,
    plain(each.code_repo_url),
    plain(each.branch ?? "-"),
    each.user_id,
    deleted ? moment(each.undelete_until ?? now) : ago(lastUsed(each), now),
  ]);
  const table = columns(
    [["ID", "STATE", "REPOSITORY", "BRANCH", "OWNER", deleted ? "KEPT UNTIL" : "LAST USED"], ...rows],
    (cell, row, column) => {
      if (row === 0) return terminal.paint("dim", cell);
      return column === 1 ? terminal.paint(stateColour(cell), cell) : cell;
    },
  );
  terminal.out(table);
}
