import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { lockHolder, takeLock } from "./lock.ts";
import { identify } from "./process-identity.ts";

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "lock-"))));
afterEach(() => rmSync(folder, { recursive: true }));

test("a second lock on a folder names the holder and how to stop it", () => {
  using held = takeLock(folder);
  expect(held).toBeDefined();
  expect(() => takeLock(folder)).toThrow(`already runs on ${folder} (pid ${process.pid})`);
  expect(() => takeLock(folder)).toThrow(`bin/down --data ${folder}`);
});

test("a released lock leaves nothing and can be taken again", () => {
  takeLock(folder)[Symbol.dispose]();
  expect(readdirSync(folder)).toEqual([]);
  using again = takeLock(folder);
  expect(again).toBeDefined();
  expect(lockHolder(folder)?.pid).toBe(process.pid);
});

test("the lock of a dead process holds nothing", async () => {
  const child = spawn("true");
  const dead = { pid: child.pid, started: "a boot long ago/1" };
  await once(child, "exit");
  writeFileSync(join(folder, "lock"), JSON.stringify(dead));
  expect(lockHolder(folder)).toBeUndefined();
  using held = takeLock(folder);
  expect(held).toBeDefined();
  expect(lockHolder(folder)?.pid).toBe(process.pid);
});

test("a pid that came back for another process does not hold the lock", () => {
  writeFileSync(join(folder, "lock"), JSON.stringify({ pid: process.ppid, started: "a boot long ago/1" }));
  expect(lockHolder(folder)).toBeUndefined();
  writeFileSync(join(folder, "lock"), JSON.stringify(identify(process.ppid)));
  expect(lockHolder(folder)?.pid).toBe(process.ppid);
});

test("a file that is no lock is replaced", () => {
  writeFileSync(join(folder, "lock"), "not json");
  using held = takeLock(folder);
  expect(held).toBeDefined();
  expect(JSON.parse(readFileSync(join(folder, "lock"), "utf8"))).toMatchObject({ pid: process.pid });
});
