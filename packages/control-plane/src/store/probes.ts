// Tasks that are sent only to see them come back. They belong to a Gitspace that nobody has: a row that was born deleted.
import type { DatabaseSync } from "node:sqlite";
import { all, one, run } from "./query.ts";

/** No generated id ends like this one but by a chance of one in two thousand million. */
export const PROBE_GITSPACE = "health-probe0";

export function openProbes(db: DatabaseSync) {
  return {
    makeGitspace: run(
      db,
      `INSERT OR IGNORE INTO gitspaces (id, name, owner, repository, ide, pool, created, updated, deleted)
       SELECT '${PROBE_GITSPACE}', 'health', identifier, 'http://localhost/none', 'vs_code_web', 'default', :at, :at, :at
       FROM users ORDER BY created LIMIT 1`,
    ),
    /** Marks a task as not for these delegates (a JSON list of ids). */
    notFor: run(db, "UPDATE tasks SET refused = :refused WHERE id = :id"),
    /** A Gitspace that runs, if any. */
    running: one<{ id: string; instance: string; generation: number }>(
      db,
      `SELECT g.id, g.instance, g.generation FROM gitspaces g JOIN instances i ON i.id = g.instance
       WHERE g.deleted IS NULL AND i.state = 'running' ORDER BY i.last_used DESC LIMIT 1`,
    ),
    open: all<{ state: "offered" | "acquired"; count: number }>(
      db,
      "SELECT state, count(*) AS count FROM tasks WHERE state <> 'answered' GROUP BY state",
    ),
  };
}
