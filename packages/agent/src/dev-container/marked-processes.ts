// Processes inside a container are found from the VM by a mark in their environment, since the engine tells no pid of them.
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { parseStat } from "../process-tree.ts";

export type MarkedProcess = { pid: number; parent: number; startedAt: string; program: string; args: string[] };

/**
 * Every process whose environment holds the line `mark` (`NAME=value`), of the container whose first process is `pid`, or of
 * the VM itself.
 * Others are not looked into: the kernel lets a reader of a process's memory wait for as long as that process hangs.
 */
export function markedProcesses(mark: string, pid: number | "self" = "self"): MarkedProcess[] {
  const container = namespaceOf(String(pid));
  if (container === "") return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && namespaceOf(name) === container)
    .flatMap((name) => {
      if (!read(`${name}/environ`).split("\0").includes(mark)) return [];
      const stat = parseStat(read(`${name}/stat`));
      return stat === undefined
        ? []
        : [{ ...stat, program: programOf(name), args: read(`${name}/cmdline`).split("\0") }];
    });
}

/** Whether it is still the same process, and not one that was given its number. */
export function isAlive({ pid, startedAt }: Pick<MarkedProcess, "pid" | "startedAt">): boolean {
  return parseStat(read(`${pid}/stat`))?.startedAt === startedAt;
}

export function signalProcess(process_: Pick<MarkedProcess, "pid" | "startedAt">, signal: NodeJS.Signals): void {
  if (!isAlive(process_)) return;
  try {
    process.kill(process_.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Signals each of them. */
export function signalMarked(mark: string, signal: NodeJS.Signals, pid?: number): void {
  for (const each of markedProcesses(mark, pid)) signalProcess(each, signal);
}

function programOf(pid: string): string {
  return link(`${pid}/exe`);
}

function namespaceOf(pid: string): string {
  return link(`${pid}/ns/pid`);
}

function link(path: string): string {
  try {
    return readlinkSync(`/proc/${path}`);
  } catch {
    return "";
  }
}

function read(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, "latin1");
  } catch {
    return "";
  }
}
