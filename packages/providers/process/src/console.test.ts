import { appendFile, mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { capConsole, readConsole } from "./console.ts";
import { type VmFolder, vmFolder } from "./record.ts";

let root: string;
let folder: VmFolder;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "gitspaces-console-"));
  folder = vmFolder(root, "vm-1");
  await mkdir(folder.root, { recursive: true });
});
afterEach(async () => rm(root, { recursive: true, force: true }));

test("the last output of a VM is whole lines from the end", async () => {
  await writeFile(folder.console, `${"x".repeat(99)}\n`.repeat(1_000));
  await appendFile(folder.console, "the end\n");
  const read = await readConsole(folder);
  expect(read.length).toBeLessThan(17_000);
  expect(read.endsWith("x\nthe end\n")).toBe(true);
  expect(read.split("\n")[0]).toBe("x".repeat(99));
});

test("a console that grew long is put aside and its end can still be read", async () => {
  await writeFile(folder.console, `${"x".repeat(99)}\n`.repeat(20_000));
  await appendFile(folder.console, "before\n");
  await capConsole(folder);
  expect((await stat(folder.console)).size).toBe(0);
  await appendFile(folder.console, "after\n");
  expect((await readConsole(folder)).endsWith("before\nafter\n")).toBe(true);
});

test("a short console, or none, is left alone", async () => {
  await capConsole(folder);
  expect(await readConsole(folder)).toBe("");
  await writeFile(folder.console, "short\n");
  await capConsole(folder);
  expect(await readConsole(folder)).toBe("short\n");
});
