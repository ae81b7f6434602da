// Runs one program with arguments, never through a shell of ours, and hands out its output line by line.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync } from "node:fs";
import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import type { ChildEnvironment } from "./child-environment.ts";
import { fileInMemory } from "./memory-file.ts";

export type Command = {
  program: string;
  args: readonly string[];
  cwd: string;
  env: ChildEnvironment;
  signal: AbortSignal;
  onLine?: (line: string) => void;
  /** What the program reads from its standard input; nothing at all otherwise. */
  input?: string;
  /** A text that the program finds as the file `LENT_FILE`, and nobody anywhere else. */
  lent?: string;
};
/** Where a program finds the text that was lent to it. */
export const LENT_FILE = "/dev/fd/3";
export type Ended = { code: number | null; output: string[] };

type OutputProcess = ChildProcess & { stdout: Readable; stderr: Readable };

const KILL_AFTER_MS = 2_000;
const DRAIN_MS = 200;
const KEPT_LINES = 200;
const LONGEST_LINE = 4_000;

/**
 * Runs to the program's end and gives its exit code and last lines. What it left running in the background stays.
 * An abort ends its whole process group, politely first; then the abort's reason is thrown.
 */
export async function run(command: Command): Promise<Ended> {
  const { signal, onLine } = command;
  signal.throwIfAborted();
  const child = start(command);
  const output: string[] = [];
  const keep = (line: string) => {
    if (output.push(line) > KEPT_LINES) output.shift();
    onLine?.(line);
  };
  const drained = Promise.all([child.stdout, child.stderr].map((stream) => readLines(stream, keep)));
  // When the program never ran, nobody waits for its output.
  drained.catch(() => {});
  const abort = () => endGroup(child);
  signal.addEventListener("abort", abort, { once: true });
  try {
    const [code] = (await once(child, "exit")) as [number | null];
    // A background process may hold the pipe for ever.
    await Promise.race([drained, new Promise((resolve) => setTimeout(resolve, DRAIN_MS).unref())]);
    signal.throwIfAborted();
    return { code, output };
  } finally {
    signal.removeEventListener("abort", abort);
    child.stdout.destroy();
    child.stderr.destroy();
  }
}

function start({ program, args, cwd, env, input, lent }: Command): OutputProcess {
  const file = lent === undefined ? undefined : fileInMemory(lent);
  try {
    const stdin = input === undefined ? "ignore" : "pipe";
    const more = file === undefined ? [] : [file];
    const child = spawn(program, args, { cwd, env, detached: true, stdio: [stdin, "pipe", "pipe", ...more] });
    // A program need not read what it is given.
    child.stdin?.on("error", () => {}).end(input);
    return child as OutputProcess;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

function endGroup(child: ChildProcess): void {
  signalGroup(child, "SIGTERM");
  // Also when the leader has left: others of its group may not have listened.
  setTimeout(() => signalGroup(child, "SIGKILL"), KILL_AFTER_MS).unref();
}

/** Signals a child that leads its own process group, and everyone in the group. */
export function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** A carriage return ends a line as well: progress meters write over themselves. */
export async function readLines(stream: NodeJS.ReadableStream, onLine: (line: string) => void): Promise<void> {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    const lines = (rest + decoder.write(chunk)).split(/\r\n|[\r\n]/);
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== "") onLine(line.slice(0, LONGEST_LINE));
    if (rest.length > LONGEST_LINE) {
      onLine(rest.slice(0, LONGEST_LINE));
      rest = "";
    }
  }
  rest += decoder.end();
  if (rest !== "") onLine(rest);
}
