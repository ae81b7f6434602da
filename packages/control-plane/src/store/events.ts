// The timeline, one integer sequence over everything, and the log, one sequence per Gitspace.
import type { DatabaseSync } from "node:sqlite";
import { all, one, run } from "./query.ts";

export type EventRow = {
  id: number;
  gitspace: string;
  instance: string | null;
  task: string | null;
  seq: number | null;
  kind: string;
  message: string;
  at: number;
  fields: string | null;
};

export type LogRow = { gitspace: string; pos: number; task: string; seq: number; out: string; time: number };

export function openEvents(db: DatabaseSync) {
  return {
    /** A repeat of a task's number is the same event and is left out. */
    add: run(
      db,
      `INSERT INTO events (gitspace, instance, task, seq, kind, message, at, fields)
       VALUES (:gitspace, :instance, :task, :seq, :kind, :message, :at, :fields) ON CONFLICT DO NOTHING`,
    ),
    page: all<EventRow>(
      db,
      "SELECT * FROM events WHERE gitspace = :gitspace ORDER BY id DESC LIMIT :limit OFFSET :offset",
    ),
    count: one<{ count: number }>(db, "SELECT count(*) AS count FROM events WHERE gitspace = :gitspace"),
    last: one<{ id: number | null }>(db, "SELECT max(id) AS id FROM events"),
    ofGitspaceAfter: all<EventRow>(
      db,
      "SELECT * FROM events WHERE gitspace = :gitspace AND id > :after ORDER BY id LIMIT 500",
    ),
    /** Those of the last start or reset, from its beginning. */
    ofStartAfter: all<EventRow>(
      db,
      `SELECT * FROM events WHERE gitspace = :gitspace AND id > :after AND id >= coalesce((SELECT max(id) FROM events
         WHERE gitspace = :gitspace AND kind IN ('gitspace_action_start', 'gitspace_action_reset')), 0)
       ORDER BY id LIMIT 500`,
    ),
    ofOwnerAfter: all<EventRow>(
      db,
      `SELECT e.* FROM events e JOIN gitspaces g ON g.id = e.gitspace
       WHERE e.id > :after AND (:owner IS NULL OR g.owner = :owner) ORDER BY e.id LIMIT 500`,
    ),
  };
}

export function openLogs(db: DatabaseSync) {
  return {
    add: run(
      db,
      `INSERT INTO logs VALUES (:gitspace, (SELECT coalesce(max(pos), 0) + 1 FROM logs WHERE gitspace = :gitspace), :task, :seq, :out, :time)
       ON CONFLICT DO NOTHING`,
    ),
    after: all<LogRow>(db, "SELECT * FROM logs WHERE gitspace = :gitspace AND pos > :after ORDER BY pos LIMIT :limit"),
    last: one<{ pos: number | null }>(db, "SELECT max(pos) AS pos FROM logs WHERE gitspace = :gitspace"),
    removeBefore: run(db, "DELETE FROM logs WHERE gitspace = :gitspace AND pos <= :pos"),
  };
}
