// Prepared statements with the shape of their rows. Tables are STRICT, so a row is what the schema says it is.
import type { DatabaseSync, SQLInputValue } from "node:sqlite";

export type Named = Record<string, SQLInputValue>;

/** A statement that gives one row or none. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the row's shape is the caller's to name
export function one<Row>(db: DatabaseSync, sql: string): (named?: Named) => Row | undefined {
  const statement = db.prepare(sql);
  return (named = {}) => statement.get(named) as Row | undefined;
}

/** A statement that gives all its rows. */
export function all<Row>(db: DatabaseSync, sql: string): (named?: Named) => Row[] {
  const statement = db.prepare(sql);
  return (named = {}) => statement.all(named) as Row[];
}

/** A statement that writes; gives how many rows it touched. */
export function run(db: DatabaseSync, sql: string): (named?: Named) => number {
  const statement = db.prepare(sql);
  return (named = {}) => Number(statement.run(named).changes);
}
