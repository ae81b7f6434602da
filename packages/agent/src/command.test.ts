// Programs as children: their lines, their end, and what an abort leaves behind.
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, expect, test } from "vitest";
import { childEnvironment } from "./child-environment.ts";
import { readLines, run } from "./command.ts";
import { parseStat } from "./process-tree.ts";

let cwd: string;
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), "agent-command-"));
});
afterAll(() => rmSync(cwd, { recursive: true }));

const env = { PATH: "/usr/bin:/bin" };
const shell = (script: string, signal = AbortSignal.timeout(10_000)) =>
  run({ program: "/bin/sh", args: ["-c", script], cwd, env, signal });

test("a program's lines and code are given, in the folder and environment asked for", async () => {
  expect(await shell("pwd; env | grep -c ^HOME; exit 3")).toEqual({ code: 3, output: [cwd, "0"] });
});

test("an argument is one argument, whatever is in it", async () => {
  const odd = "a b;$(touch canary)`touch canary`'\"";
  const { output } = await run({ program: "/bin/echo", args: [odd], cwd, env, signal: AbortSignal.timeout(5_000) });
  expect(output).toEqual([odd]);
  expect(existsSync(join(cwd, "canary"))).toBe(false);
});

test("a program that is not there is an error and nothing else", async () => {
  const missing = run({ program: "/nowhere", args: [], cwd, env, signal: AbortSignal.timeout(5_000) });
  await expect(missing).rejects.toThrow("ENOENT");
});

test("a background process does not hold its starter", async () => {
  const since = performance.now();
  const { output } = await shell("sleep 5 & echo $!");
  expect(performance.now() - since).toBeLessThan(3_000);
  process.kill(Number(output[0]), "SIGKILL");
});

test("an abort ends the program and what it started, and gives the abort's reason", async () => {
  const stop = new AbortController();
  const going = shell("sleep 60 & echo $! > child; wait", stop.signal);
  await expect.poll(() => existsSync(join(cwd, "child")) && readFileSync(join(cwd, "child"), "utf8")).toMatch(/\d+\n/);
  stop.abort(new Error("enough"));
  await expect(going).rejects.toThrow("enough");
  const pid = readFileSync(join(cwd, "child"), "utf8").trim();
  await expect.poll(() => isAlive(pid)).toBe(false);
});

test("an abort kills what does not listen, also when its leader has gone", async () => {
  const stop = new AbortController();
  const going = shell("(trap '' TERM; echo $$ > deaf; exec sleep 60) & wait", stop.signal);
  await expect.poll(() => existsSync(join(cwd, "deaf"))).toBe(true);
  await expect.poll(() => sleepers(cwd).length).toBe(1);
  stop.abort(new Error("enough"));
  await expect(going).rejects.toThrow("enough");
  await expect.poll(() => sleepers(cwd), { timeout: 5_000 }).toEqual([]);
});

/** A dead process whose parent does not look is still listed, as a zombie. */
function isAlive(pid: string): boolean {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, "latin1")) !== undefined;
  } catch {
    return false;
  }
}

function sleepers(folder: string): string[] {
  const named = (pid: string) => {
    try {
      const sleeping = readFileSync(`/proc/${pid}/cmdline`, "latin1") === "sleep\u000060\u0000";
      return sleeping && readlinkSync(`/proc/${pid}/cwd`) === folder;
    } catch {
      return false;
    }
  };
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name) && isAlive(name) && named(name));
}

test("lines end at any line end, and characters are whole across pieces", async () => {
  const lines: string[] = [];
  const bytes = Buffer.from("one\r\ntwo 10%\rtwo 20%\rthr\u00e9e\n\nlast");
  await readLines(Readable.from([...bytes].map((byte) => Buffer.from([byte]))), (line) => void lines.push(line));
  expect(lines).toEqual(["one", "two 10%", "two 20%", "thr\u00e9e", "last"]);
});

test("a child's environment holds what is on the list and nothing of ours", () => {
  const given = { PATH: "/bin", USER: "dev", TZ: "UTC", GITSPACES_HOME: "/x", NODE_OPTIONS: "--x", AWS_SECRET: "s" };
  expect(childEnvironment(given, "/home/dev", "vm-1")).toEqual({
    LANG: "C.UTF-8",
    TZ: "UTC",
    PATH: "/home/dev/.local/bin:/bin",
    HOME: "/home/dev",
    SHELL: "/bin/bash",
    USER: "dev",
    LOGNAME: "dev",
    GITSPACE_VM: "vm-1",
  });
});
