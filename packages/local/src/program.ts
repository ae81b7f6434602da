// A program that a supervisor keeps running: its log in a file, its pid on disk, restarted when it dies, with growing pauses while it does not come up.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Failure, FailureError, fail } from "@gitspaces/contracts";
import { backoff } from "@gitspaces/daemon";
import { z } from "zod";
import { noteProcess } from "./process-list.ts";

export type Program = { name: string; command: string; args: string[]; env: Record<string, string> };

export type KeptProgram = AsyncDisposable & {
  /** Settles when the program ends before `started()`: its last words in the message. Never resolves. */
  readonly failed: Promise<never>;
  /** From now on an end is an accident to recover from, no longer a failed start. */
  started(): void;
  /** Kills it now, without grace. */
  kill(): void;
};

type Keeping = { dataFolder: string; say: (line: string) => void; graceMs?: number };

/** A program that never came up has nothing to hand over. */
const UNSTARTED_GRACE_MS = 3_000;

const LOG_KEPT_BYTES = 10_000_000;
/** Whatever lived this long had come up: its end is an accident, and it is started again without a growing pause. */
const SETTLED_MS = 2_000;

/** Starts a program in its own process group, so that a Ctrl-C reaches only the supervisor, which then stops it in order. */
export function keepProgram(program: Program, { dataFolder, say, graceMs = 27_000 }: Keeping): KeptProgram {
  const log = logFile(dataFolder, program.name);
  const stopping = new AbortController();
  const start = Promise.withResolvers<never>();
  start.promise.catch(() => undefined);
  let isStarted = false;
  let child = launch(program, log, dataFolder);
  const kept = keep();

  async function keep(): Promise<void> {
    const pause = backoff({ firstMs: 200, maxMs: 10_000, signal: stopping.signal });
    for (;;) {
      const since = performance.now();
      const end = await ending(child);
      if (stopping.signal.aborted) return;
      if (!isStarted) {
        start.reject(startFailure(program.name, end, log));
        return;
      }
      say(`${program.name} ended (${end}); starting it again. Its log: ${log}`);
      if (performance.now() - since > SETTLED_MS) pause.reset();
      await pause.wait();
      child = launch(program, log, dataFolder);
    }
  }

  return {
    failed: start.promise,
    started: () => void (isStarted = true),
    kill: () => {
      stopping.abort();
      child.kill("SIGKILL");
    },
    async [Symbol.asyncDispose]() {
      stopping.abort();
      if (child.exitCode === null && child.signalCode === null) {
        const ended = ending(child);
        child.kill("SIGTERM");
        const late = new AbortController();
        const allowedMs = isStarted ? graceMs : Math.min(graceMs, UNSTARTED_GRACE_MS);
        const isLate = sleep(allowedMs, true, { signal: late.signal }).catch(() => false);
        if ((await Promise.race([ended, isLate])) === true) {
          say(`${program.name} did not stop within ${allowedMs / 1_000} s; killing it.`);
          child.kill("SIGKILL");
        }
        late.abort();
        await ended;
      }
      await kept.catch(() => undefined);
    },
  };
}

function launch(program: Program, log: string, dataFolder: string): ChildProcess {
  const output = openSync(log, "a", 0o600);
  const child = spawn(program.command, program.args, {
    cwd: dataFolder,
    env: { ...inheritedEnvironment(process.env), ...program.env },
    stdio: ["ignore", output, output],
    detached: true,
  });
  closeSync(output);
  if (child.pid !== undefined) noteProcess(dataFolder, program.name, child.pid);
  return child;
}

const surroundings = ["PATH", "HOME", "LANG", "NODE_COMPILE_CACHE", "NODE_EXTRA_CA_CERTS", "TZ"];
/** Settings of the daemons that a person may give to the launcher: times, how much is logged, and what tests arm. */
const settings = /^GITSPACES_(?:[A-Z_]+_MS|LOG_LEVEL|(?:VM_)?FAILPOINT_FOLDER|FAILPOINT)$/;

/** The part of our own environment that every program inherits. */
export function inheritedEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => surroundings.includes(name) || settings.test(name)));
}

/** How a child ended, in words. */
async function ending(child: ChildProcess): Promise<string> {
  if (child.exitCode === null && child.signalCode === null) {
    try {
      await once(child, "exit");
    } catch (error) {
      return (error as Error).message;
    }
  }
  return child.signalCode === null ? `exit code ${child.exitCode}` : `signal ${child.signalCode}`;
}

/** The log of a program; one that grew large makes room first. */
export function logFile(dataFolder: string, name: string): string {
  const folder = join(dataFolder, "logs");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, `${name}.log`);
  if (existsSync(file) && statSync(file).size > LOG_KEPT_BYTES) renameSync(file, `${file}.1`);
  return file;
}

/** A daemon of ours says in its log why it could not start; of any other program the end of its log is shown. */
function startFailure(name: string, end: string, log: string): FailureError {
  const told = lastLines(log).flatMap((line) => {
    const parsed = StartFailure.safeParse(parseJson(line));
    return parsed.success ? [parsed.data.failure] : [];
  });
  const failure = told.at(-1);
  if (failure === undefined) return fail("internal", `${name} did not start (${end}). ${lastWords(log)}`);
  return new FailureError({ ...failure, message: `${name} did not start. ${failure.message}` });
}

const StartFailure = z.looseObject({ level: z.literal("fatal"), failure: Failure });

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function lastLines(log: string): string[] {
  return existsSync(log) ? readFileSync(log, "utf8").trimEnd().split("\n").slice(-8) : [];
}

/** The end of a program's log as a person would want to see it under an error. */
export function lastWords(log: string): string {
  const lines = lastLines(log);
  return lines.length === 0
    ? `Its log ${log} is empty.`
    : `The end of ${log}:\n${lines.map((each) => `  ${each}`).join("\n")}`;
}
