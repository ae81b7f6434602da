import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { identify, isAlive, type ProcessIdentity } from "./process-identity.ts";
import { endListed, readProcessList } from "./process-list.ts";
import { keepProgram, type Program } from "./program.ts";

let folder: string;
let said: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "program-"));
  said = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

const shell = (script: string): Program => ({
  name: "sample",
  command: "sh",
  args: ["-c", script],
  env: { COLOUR: "blue" },
});
const keep = (script: string, graceMs = 5_000) =>
  keepProgram(shell(script), { dataFolder: folder, say: (line) => said.push(line), graceMs });

async function until(claim: () => boolean): Promise<void> {
  for (let waited = 0; !claim(); waited += 10) {
    if (waited > 5_000) throw new Error("it never came true");
    await sleep(10);
  }
}

const listed = () => readProcessList(folder).find((entry) => entry.name === "sample");

test("a program that ends before it is ready is a failed start, with its last words", async () => {
  await using program = keep("echo the colour is $COLOUR >&2; exit 3");
  await expect(program.failed).rejects.toThrow(/sample did not start \(exit code 3\).*the colour is blue/s);
});

test("a daemon that says in its log why it could not start is believed: its code, its field, its words", async () => {
  const failure = { code: "bad_request", message: "pool.yml is wrong.", retry: "never", field: "poolFile" };
  const line = JSON.stringify({ level: "fatal", failure, msg: "could not start" });
  await using program = keep(`echo '${line}'; echo more; exit 1`);
  await expect(program.failed).rejects.toMatchObject({
    failure: { ...failure, message: "sample did not start. pool.yml is wrong." },
  });
});

test("a program that is not there is a failed start", async () => {
  const absent = { ...shell(""), command: "no-such-program" };
  await using program = keepProgram(absent, { dataFolder: folder, say: () => undefined });
  await expect(program.failed).rejects.toThrow("ENOENT");
});

test("a program that dies later is started again, and that is said", async () => {
  await using program = keep("echo run >> runs; exec sleep 60");
  await until(() => existsSync(join(folder, "runs")));
  program.started();
  const first = listed() as ProcessIdentity;
  process.kill(first.pid, "SIGKILL");
  await until(() => listed() !== undefined && listed()?.pid !== first.pid);
  await until(() => readFileSync(join(folder, "runs"), "utf8") === "run\nrun\n");
  expect(said.join()).toContain("sample ended (signal SIGKILL); starting it again.");
});

test("a stopped program is gone, and nothing starts it again", async () => {
  const program = keep("exec sleep 60");
  program.started();
  const identity = listed() as ProcessIdentity;
  await program[Symbol.asyncDispose]();
  expect(isAlive(identity)).toBe(false);
  expect(said).toEqual([]);
});

test("a program that does not want to stop is killed after its grace", async () => {
  const program = keep("trap '' TERM; echo up; while :; do sleep 0.05; done", 200);
  await until(
    () => existsSync(join(folder, "logs/sample.log")) && readFileSync(join(folder, "logs/sample.log"), "utf8") !== "",
  );
  program.started();
  const identity = listed() as ProcessIdentity;
  await program[Symbol.asyncDispose]();
  expect(isAlive(identity)).toBe(false);
  expect(said.join()).toContain("sample did not stop within 0.2 s");
});

test("what a killed supervisor left is found on disk and ended, once", async () => {
  const program = keep("exec sleep 60");
  const identity = listed() as ProcessIdentity;
  expect(await endListed(folder, 2_000)).toEqual(["sample"]);
  expect(isAlive(identity)).toBe(false);
  expect(await endListed(folder, 2_000)).toEqual([]);
  await program[Symbol.asyncDispose]();
});

test("a process is known by its start, not by its pid alone", () => {
  const self = identify(process.pid) as ProcessIdentity;
  expect(isAlive(self)).toBe(true);
  expect(isAlive({ ...self, started: `${self.started}0` })).toBe(false);
});
