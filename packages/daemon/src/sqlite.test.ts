import { mkdtempSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openDatabase, transaction } from "./sqlite.ts";

const path = () => join(mkdtempSync(join(tmpdir(), "sqlite-")), "test.db");
const table = "CREATE TABLE t (n INTEGER NOT NULL)";

test("migrations run once each, in order, and the file is private", () => {
  const file = path();
  openDatabase(file, [table]).close();
  const db = openDatabase(file, [table, "ALTER TABLE t ADD COLUMN m TEXT DEFAULT 'x'"]);
  db.exec("INSERT INTO t (n) VALUES (1)");
  expect(db.prepare("SELECT * FROM t").all()).toMatchObject([{ n: 1, m: "x" }]);
  expect(statSync(file).mode & 0o077).toBe(0);
  db.close();
});

test("a database of a newer program is refused", () => {
  const file = path();
  openDatabase(file, [table, "CREATE TABLE u (n)"]).close();
  expect(() => openDatabase(file, [table])).toThrow("written by a newer version");
});

test("a transaction that throws leaves nothing, also when it is nested", () => {
  const db = openDatabase(":memory:", [table]);
  const write = () => db.exec("INSERT INTO t (n) VALUES (1)");
  expect(() =>
    transaction(db, () => {
      transaction(db, write);
      throw new Error("no");
    }),
  ).toThrow("no");
  expect(db.prepare("SELECT count(*) AS n FROM t").get()).toMatchObject({ n: 0 });
  db.close();
});

test("every commit is synchronised to the disk", () => {
  const db = openDatabase(path(), []);
  expect(db.prepare("PRAGMA synchronous").get()).toMatchObject({ synchronous: 2 });
  expect(db.prepare("PRAGMA journal_mode").get()).toMatchObject({ journal_mode: "wal" });
  db.close();
});
