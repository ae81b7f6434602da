// The agent's memory of its tasks: each with its exact body, its events and its one answer, on the disk before anyone hears.
import { EventEmitter } from "node:events";
import { Answer, GitspaceTask, TaskEvent } from "@gitspaces/contracts";
import { type DatabaseSync, openDatabase, transaction } from "@gitspaces/daemon/sqlite";

const migrations = [
  `CREATE TABLE task (
     id TEXT PRIMARY KEY, position INTEGER NOT NULL UNIQUE, body TEXT NOT NULL, received_at REAL NOT NULL, answer TEXT
   ) STRICT;
   CREATE TABLE event (
     task_id TEXT NOT NULL REFERENCES task (id), seq INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (task_id, seq)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;`,
] as const;

/** `receivedAt`: milliseconds of the machine's monotonic clock. */
export type JournalledTask = { task: GitspaceTask; receivedAt: number; answer: Answer | undefined };
export type Fact = "generation" | "state" | "folder";
type Row = { body: string; received_at: number; answer: string | null };

const PAGE = 200;

export class Journal implements Disposable {
  readonly #db: DatabaseSync;
  /** Emits a task's id when it has new events or its answer. */
  readonly changed = new EventEmitter().setMaxListeners(0);

  constructor(file: string) {
    this.#db = openDatabase(file, migrations);
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  find(id: string): JournalledTask | undefined {
    const row = this.#db.prepare("SELECT body, received_at, answer FROM task WHERE id = ?").get(id);
    return row === undefined ? undefined : read(row as Row);
  }

  /** Tasks that were taken and not answered, in the order of their coming. */
  unanswered(): JournalledTask[] {
    const rows = this.#db.prepare("SELECT body, received_at, answer FROM task WHERE answer IS NULL ORDER BY position");
    return rows.all().map((row) => read(row as Row));
  }

  /** The last start that was answered, while no later task waits for its answer that would undo it. */
  standingStart(): JournalledTask | undefined {
    const row = this.#db
      .prepare(
        `SELECT body, received_at, answer FROM task
         WHERE body ->> 'type' <> 'gitspace.status' ORDER BY position DESC LIMIT 1`,
      )
      .get();
    const last = row === undefined ? undefined : read(row as Row);
    return last?.task.type === "gitspace.start" && last.answer !== undefined ? last : undefined;
  }

  /** Journals a task together with the generation it raises. */
  add(task: GitspaceTask, receivedAt: number): void {
    transaction(this.#db, () => {
      this.#db
        .prepare(
          "INSERT INTO task (id, position, body, received_at) SELECT ?, coalesce(max(position), 0) + 1, ?, ? FROM task",
        )
        .run(task.id, JSON.stringify(task), receivedAt);
      this.raiseGeneration(task.generation);
    });
  }

  append(taskId: string, events: readonly TaskEvent[]): void {
    if (events.length === 0) return;
    transaction(this.#db, () => this.#insert(taskId, events));
    this.changed.emit(taskId);
  }

  /** Closes a task: its last events and its answer become known together. A task that has an answer keeps it. */
  answer(taskId: string, lastEvents: readonly TaskEvent[], answer: Answer): void {
    transaction(this.#db, () => {
      this.#insert(taskId, lastEvents);
      this.#db
        .prepare("UPDATE task SET answer = ? WHERE id = ? AND answer IS NULL")
        .run(JSON.stringify(answer), taskId);
    });
    this.changed.emit(taskId);
  }

  #insert(taskId: string, events: readonly TaskEvent[]): void {
    const insert = this.#db.prepare("INSERT INTO event (task_id, seq, body) VALUES (?, ?, ?)");
    for (const event of events) insert.run(taskId, event.seq, JSON.stringify(event));
  }

  /** The next events of a task after `seq`, a page of them at most. */
  events(taskId: string, after: number): TaskEvent[] {
    return this.#db
      .prepare("SELECT body FROM event WHERE task_id = ? AND seq > ? ORDER BY seq LIMIT ?")
      .all(taskId, after, PAGE)
      .map((row) => TaskEvent.parse(JSON.parse(row["body"] as string)));
  }

  lastSeq(taskId: string): number {
    const row = this.#db.prepare("SELECT coalesce(max(seq), 0) AS seq FROM event WHERE task_id = ?").get(taskId);
    return Number(row?.["seq"] ?? 0);
  }

  fact(name: Fact): string | undefined {
    return this.#db.prepare("SELECT value FROM fact WHERE name = ?").get(name)?.["value"] as string | undefined;
  }

  setFact(name: Fact, value: string): void {
    this.#db
      .prepare("INSERT INTO fact VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value")
      .run(name, value);
  }

  /** The highest generation seen; 0 before any. */
  get generation(): number {
    return Number(this.fact("generation") ?? 0);
  }

  raiseGeneration(generation: number): void {
    if (generation > this.generation) this.setFact("generation", String(generation));
  }
}

function read(row: Row): JournalledTask {
  return {
    task: GitspaceTask.parse(JSON.parse(row.body)),
    receivedAt: row.received_at,
    answer: row.answer === null ? undefined : Answer.parse(JSON.parse(row.answer)),
  };
}
