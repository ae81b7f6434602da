// Tasks: offered, acquired by one delegate, answered once. Answers that come after that are kept apart.
import type { TaskType } from "@gitspaces/contracts";
import type { DatabaseSync } from "node:sqlite";
import { all, one, run } from "./query.ts";

export type TaskRow = {
  id: string;
  type: TaskType;
  gitspace: string;
  instance: string | null;
  generation: number;
  /** JSON; without the sealed secrets, which are added with the signature when the task is acquired. */
  data: string;
  deadline: number;
  created: number;
  state: "offered" | "acquired" | "answered";
  holder: string | null;
  acquired: number | null;
  /** JSON list of delegates that handed it back. */
  refused: string;
  cancelled: number;
  /** Whether an event from the agent has come. */
  connected: number;
  /** The signed envelope as the first holder got it, JSON. */
  envelope: string | null;
  answer: string | null;
  outcome: "ok" | "failed" | null;
  answered: number | null;
};

export function openTasks(db: DatabaseSync) {
  return {
    get: one<TaskRow>(db, "SELECT * FROM tasks WHERE id = :id"),
    add: run(
      db,
      `INSERT INTO tasks (id, type, gitspace, instance, generation, data, deadline, created, state)
       VALUES (:id, :type, :gitspace, :instance, :generation, :data, :deadline, :at, 'offered')`,
    ),
    /** The oldest that a delegate with these types (a JSON list, empty: all) has not handed back; no more than `limit`. */
    offered: all<TaskRow>(
      db,
      `SELECT * FROM tasks WHERE state = 'offered' AND (:types = '[]' OR type IN (SELECT value FROM json_each(:types)))
         AND (refused = '[]' OR NOT EXISTS (SELECT 1 FROM json_each(refused) WHERE value = :delegate))
       ORDER BY created, id LIMIT :limit`,
    ),
    acquired: all<TaskRow>(db, "SELECT * FROM tasks WHERE state = 'acquired'"),
    heldBy: one<{ count: number }>(
      db,
      "SELECT count(*) AS count FROM tasks WHERE state = 'acquired' AND holder = :holder",
    ),
    acquire: run(
      db,
      `UPDATE tasks SET state = 'acquired', holder = :holder, acquired = :at, envelope = coalesce(envelope, :envelope)
       WHERE id = :id AND state = 'offered'`,
    ),
    offerAgain: run(
      db,
      "UPDATE tasks SET state = 'offered', holder = NULL, acquired = NULL, refused = :refused WHERE id = :id AND state = 'acquired'",
    ),
    answer: run(
      db,
      `UPDATE tasks SET state = 'answered', answer = :answer, outcome = :outcome, answered = :at, cancelled = :cancelled
       WHERE id = :id AND state <> 'answered'`,
    ),
    cancelledOf: all<{ id: string }>(
      db,
      "SELECT id FROM tasks WHERE holder = :holder AND cancelled = 1 AND answered > :since",
    ),
    /** A VM was asked for after this task was made. By the order of writing, so that no clock counts. */
    provisionedSince: one<{ id: string }>(
      db,
      `SELECT id FROM tasks WHERE gitspace = :gitspace AND type = 'vm.provision'
         AND rowid > (SELECT rowid FROM tasks WHERE id = :id) LIMIT 1`,
    ),
    connected: run(db, "UPDATE tasks SET connected = 1 WHERE id = :id"),
    /** Not more at once than are settled while a request can wait. */
    overdue: all<TaskRow>(
      db,
      "SELECT * FROM tasks WHERE state <> 'answered' AND deadline <= :at ORDER BY deadline LIMIT 50",
    ),
    nextDeadline: one<{ at: number | null }>(db, "SELECT min(deadline) AS at FROM tasks WHERE state <> 'answered'"),
    lateAnswer: run(db, "INSERT INTO late_answers VALUES (:task, :at, :delegate, :answer)"),
    lateAnswers: all<{ answer: string; delegate: string; at: number }>(
      db,
      "SELECT answer, delegate, at FROM late_answers WHERE task = :task ORDER BY at",
    ),
    /** Answered tasks that were no work for the lifecycle and are old. */
    forget: run(
      db,
      "DELETE FROM tasks WHERE state = 'answered' AND type IN ('vm.status', 'gitspace.status') AND answered < :before",
    ),
  };
}
