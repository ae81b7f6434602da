import { mkdtempSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { giveRoomBack, openDatabase, probeDatabase, transaction } from "./sqlite.ts";

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

test("E13: a log that has filled the space given to it is brought in and its room given back, and then it is written again", () => {
  const file = path();
  const db = openDatabase(file, ["CREATE TABLE t (text TEXT)"]);
  const write = db.prepare("INSERT INTO t VALUES (?)");
  for (let row = 0; row < 200; row++) write.run("x".repeat(1_000));
  expect(statSync(`${file}-wal`).size).toBeGreaterThan(100_000);
  giveRoomBack(db);
  expect(statSync(`${file}-wal`).size).toBe(0);
  probeDatabase(db);
  expect(statSync(`${file}-wal`).size).toBeGreaterThan(0);
  expect(db.prepare("SELECT count(*) AS rows FROM t").get()).toEqual({ rows: 200 });
  db.close();
});
