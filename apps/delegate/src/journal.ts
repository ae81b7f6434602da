// The delegate's memory on disk: tasks it took, events on their way, answers until they are acknowledged. Every write is synced.
import { type TaskEvent, WireTask } from "@gitspaces/contracts";
import { type DatabaseSync, giveRoomBack, openDatabase, probeDatabase, transaction } from "@gitspaces/daemon/sqlite";

const migrations = [
  `CREATE TABLE tasks (
     id TEXT PRIMARY KEY,
     type TEXT NOT NULL,
     state TEXT NOT NULL CHECK (state IN ('acquiring', 'accepted', 'answered', 'acknowledged', 'refused')),
     holder TEXT NOT NULL,
     wire TEXT,
     deadline INTEGER,
     last_event INTEGER NOT NULL DEFAULT 0,
     answer TEXT,
     late_answer TEXT,
     changed_at INTEGER NOT NULL
   ) STRICT;
   CREATE INDEX tasks_by_state ON tasks (state, changed_at);
   CREATE TABLE events (
     task_id TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
     seq INTEGER NOT NULL,
     body TEXT NOT NULL,
     PRIMARY KEY (task_id, seq)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;`,
];

/** No task has so many events. It is also asked for as `after`, where twelve digits are the most. */
const PAST_ALL_EVENTS = 999_999_999_999;

export type TaskState = "acquiring" | "accepted" | "answered" | "acknowledged" | "refused";
/** A task that is ours to answer. `holder` is the delegate id under which it was acquired. */
export type HeldTask = { id: string; holder: string; wire: WireTask; deadline: number };
/** An answer on its way: the exact body to send. */
export type UnsentAnswer = { id: string; holder: string; toRunnerEndpoint: boolean; body: string };
export type Journal = ReturnType<typeof openJournal>;

type Row = {
  id: string;
  type: string;
  state: TaskState;
  holder: string;
  wire: string | null;
  deadline: number | null;
  last_event: number;
  answer: string | null;
};

/** Opens the journal at `path`. `now` gives milliseconds since the epoch. Every method throws when the disk refuses the write. */
export function openJournal(path: string, now: () => number) {
  const db = openDatabase(path, migrations);
  const sql = statements(db);
  const row = (id: string) => sql.find.get(id) as Row | undefined;

  return {
    /** Notes that a task is about to be acquired: if we die between the two, we ask again after the restart. */
    intend(id: string, type: string, holder: string): void {
      sql.intend.run(id, type, holder, now());
    },

    /** Undoes `intend` for a task that went to another delegate. */
    forget(id: string): void {
      sql.forget.run(id);
    },

    /** The task is ours; from here it is answered, whatever happens. */
    accept(wire: WireTask, holder: string, deadline: number): HeldTask {
      sql.accept.run(wire.id, wire.type, holder, JSON.stringify(wire), deadline, now());
      return { id: wire.id, holder, wire, deadline };
    },

    /** The same task was acquired again, perhaps under a new delegate id. */
    hold(id: string, holder: string): void {
      sql.hold.run(holder, id);
    },

    find(id: string): { state: TaskState; wire?: WireTask } | undefined {
      const found = row(id);
      if (found === undefined) return undefined;
      return { state: found.state, ...(found.wire === null ? {} : { wire: readWire(found.wire) }) };
    },

    acquiring(): { id: string; type: string }[] {
      return (sql.inState.all("acquiring") as Row[]).map(({ id, type }) => ({ id, type }));
    },

    unanswered(): HeldTask[] {
      return (sql.inState.all("accepted") as Row[]).map(heldTask);
    },

    /** Stores the one terminal answer; false when there is one already. */
    answer(id: string, body: string): boolean {
      return sql.answer.run(body, now(), id).changes === 1;
    },

    /** Keeps what came after the terminal answer. */
    answerLate(id: string, answer: string): void {
      sql.answerLate.run(answer, id);
    },

    unsent(): string[] {
      return (sql.inState.all("answered") as Row[]).map(({ id }) => id);
    },

    unsentAnswer(id: string): UnsentAnswer | undefined {
      const found = row(id);
      if (found?.state !== "answered" || found.answer === null) return undefined;
      const toRunnerEndpoint = found.wire !== null && readWire(found.wire).runnerResponse === true;
      return { id, holder: found.holder, toRunnerEndpoint, body: found.answer };
    },

    /** The control plane has the answer, or said that it wants none. */
    close(id: string, state: "acknowledged" | "refused"): void {
      sql.close.run(state, now(), id);
    },

    /** The control plane asks for an answer it had acknowledged. */
    reopen(id: string): void {
      sql.reopen.run(now(), id);
    },

    /** Stores the events that are new; gives how many were. */
    addEvents(id: string, events: readonly TaskEvent[]): number {
      return transaction(db, () => {
        const last = row(id)?.last_event;
        if (last === undefined) return 0;
        const fresh = events.filter((event) => event.seq > last).toSorted((a, b) => a.seq - b.seq);
        for (const event of fresh) sql.addEvent.run(id, event.seq, JSON.stringify(event));
        const newest = fresh.at(-1);
        if (newest !== undefined) sql.lastEvent.run(newest.seq, id);
        return fresh.length;
      });
    },

    /** The highest `seq` ever stored for a task, 0 before the first. */
    lastEvent(id: string): number {
      return row(id)?.last_event ?? 0;
    },

    pendingEvents(id: string, limit: number): TaskEvent[] {
      return (sql.pendingEvents.all(id, limit) as { body: string }[]).map(({ body }) => JSON.parse(body) as TaskEvent);
    },

    tasksWithEvents(): string[] {
      return (sql.tasksWithEvents.all() as { id: string }[]).map(({ id }) => id);
    },

    dropEvents(id: string, upTo: number): void {
      sql.dropEvents.run(id, upTo);
    },

    /** No event of this task is stored any more: the control plane does not take them. */
    refuseEvents(id: string): void {
      transaction(db, () => {
        sql.dropEvents.run(id, PAST_ALL_EVENTS);
        sql.lastEvent.run(PAST_ALL_EVENTS, id);
      });
    },

    /** Removes tasks whose answer the control plane has, or did not want, since before `before`; gives how many. */
    prune(before: number): number {
      return Number(sql.prune.run(before).changes);
    },

    fact(name: string): string | undefined {
      return (sql.fact.get(name) as { value: string } | undefined)?.value;
    },

    setFact(name: string, value: string): void {
      sql.setFact.run(name, value);
    },

    /** Throws when the disk takes no write that lasts. */
    probe(): void {
      probeDatabase(db);
    },

    /** Makes what room it can on a disk that has none. */
    giveRoomBack(): void {
      giveRoomBack(db);
    },

    [Symbol.dispose]() {
      db.close();
    },
  };
}

function statements(db: DatabaseSync) {
  const accepted = "'accepted', holder = excluded.holder, wire = excluded.wire, deadline = excluded.deadline";
  return {
    find: db.prepare("SELECT * FROM tasks WHERE id = ?"),
    inState: db.prepare("SELECT * FROM tasks WHERE state = ? ORDER BY changed_at, id"),
    intend: db.prepare(
      "INSERT INTO tasks (id, type, state, holder, changed_at) VALUES (?, ?, 'acquiring', ?, ?) ON CONFLICT DO NOTHING",
    ),
    forget: db.prepare("DELETE FROM tasks WHERE id = ? AND state = 'acquiring'"),
    accept: db.prepare(
      `INSERT INTO tasks (id, type, state, holder, wire, deadline, changed_at) VALUES (?, ?, 'accepted', ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET state = ${accepted}, changed_at = excluded.changed_at WHERE state = 'acquiring'`,
    ),
    hold: db.prepare("UPDATE tasks SET holder = ? WHERE id = ?"),
    answer: db.prepare(
      "UPDATE tasks SET state = 'answered', answer = ?, changed_at = ? WHERE id = ? AND state = 'accepted'",
    ),
    answerLate: db.prepare("UPDATE tasks SET late_answer = coalesce(late_answer, ?) WHERE id = ?"),
    close: db.prepare("UPDATE tasks SET state = ?, changed_at = ? WHERE id = ? AND state = 'answered'"),
    reopen: db.prepare(
      "UPDATE tasks SET state = 'answered', changed_at = ? WHERE id = ? AND state IN ('acknowledged', 'refused')",
    ),
    addEvent: db.prepare("INSERT INTO events (task_id, seq, body) VALUES (?, ?, ?)"),
    lastEvent: db.prepare("UPDATE tasks SET last_event = ? WHERE id = ?"),
    pendingEvents: db.prepare("SELECT body FROM events WHERE task_id = ? ORDER BY seq LIMIT ?"),
    tasksWithEvents: db.prepare("SELECT DISTINCT task_id AS id FROM events"),
    dropEvents: db.prepare("DELETE FROM events WHERE task_id = ? AND seq <= ?"),
    prune: db.prepare("DELETE FROM tasks WHERE state IN ('acknowledged', 'refused') AND changed_at < ?"),
    fact: db.prepare("SELECT value FROM facts WHERE name = ?"),
    setFact: db.prepare("INSERT INTO facts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"),
  };
}

function heldTask({ id, holder, wire, deadline }: Row): HeldTask {
  if (wire === null || deadline === null) throw new Error(`the journal has no body for task ${id}`);
  return { id, holder, wire: readWire(wire), deadline };
}

function readWire(text: string): WireTask {
  return WireTask.parse(JSON.parse(text));
}
