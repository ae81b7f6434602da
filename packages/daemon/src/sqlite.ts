// SQLite as our stores open it: a commit is on the disk before anyone hears of it.
import { chmodSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fail } from "@gitspaces/contracts";

export type { DatabaseSync } from "node:sqlite";

/**
 * Opens a database file (0600) in WAL mode with full synchronisation and brings it up to date.
 * `migrations` only ever grows: how many have run is kept in `user_version`, each runs in its own transaction.
 */
export function openDatabase(path: string, migrations: readonly string[]): DatabaseSync {
  if (path !== ":memory:") mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const db = new DatabaseSync(path, { timeout: 5_000, enableForeignKeyConstraints: true });
  if (path !== ":memory:") chmodSync(path, 0o600);
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
  const { user_version: done } = db.prepare("PRAGMA user_version").get() as { user_version: number };
  if (done > migrations.length) {
    db.close();
    throw new Error(
      `${path} was written by a newer version of this program (schema ${done}, this one knows ${migrations.length})`,
    );
  }
  for (const [index, migration] of migrations.entries()) {
    if (index < done) continue;
    transaction(db, () => db.exec(`${migration}; PRAGMA user_version = ${index + 1};`));
  }
  return db;
}

/** Commits nothing, durably. @throws {FailureError} `disk_full`, or what else the disk says. */
export function probeDatabase(db: DatabaseSync): void {
  const { user_version: present } = db.prepare("PRAGMA user_version").get() as { user_version: number };
  transaction(db, () => db.exec(`PRAGMA user_version = ${present}`));
}

/**
 * Brings the write-ahead log into the database and gives its room back to the disk, as far as that can be done now. By itself only
 * a commit would do it, which a log that has filled the disk no longer lets through.
 */
export function giveRoomBack(db: DatabaseSync): void {
  try {
    db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  } catch {
    // No room even for that; it is tried again with the next probe.
  }
}

/**
 * Runs `work` as one transaction: all of it is on the disk afterwards, or nothing. Inside another it is part of that one.
 * @throws {FailureError} `disk_full` when the disk has no room for it; what `work` throws.
 */
export function transaction<T>(db: DatabaseSync, work: () => T): T {
  if (db.isTransaction) return work();
  db.exec("BEGIN IMMEDIATE");
  try {
    const result = work();
    db.exec("COMMIT");
    return result;
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw isDiskFull(error) ? diskFull(error) : error;
  }
}

/** SQLITE_FULL, or SQLITE_IOERR_SHMSIZE: there was no room for the index of the write-ahead log. */
function isDiskFull(error: unknown): boolean {
  const { errcode } = error as { errcode?: number };
  return errcode === 13 || errcode === 4_874;
}

function diskFull(cause: unknown): Error {
  return fail("disk_full", "The disk is full, so nothing was changed. It works again once there is room on it.", {
    cause,
  });
}
