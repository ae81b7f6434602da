// Which processes are a VM's, and how they end. Everything is asked of /proc, because the process that started a VM may be
// long gone.
import { readFileSync, readdirSync, readlinkSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fail } from "@gitspaces/contracts";

export type ProcessMark = { pid: number; startTime: string };
type Stat = { state: string; parent: number; startTime: string };

/** The mark of a process that runs now. */
export function markOf(pid: number): ProcessMark | undefined {
  const stat = readStat(pid);
  return stat === undefined || stat.state === "Z" ? undefined : { pid, startTime: stat.startTime };
}

/** Whether that very process still runs: a zombie does not, nor does another one that was given its number. */
export function isAlive(mark: ProcessMark | null): boolean {
  return mark !== null && markOf(mark.pid)?.startTime === mark.startTime;
}

/** Every process in a network namespace, or of no namespace when there is none of that name. */
export function processesInNamespace(name: string): number[] {
  let inode: number;
  try {
    inode = statSync(`/run/netns/${name}`).ino;
  } catch {
    return [];
  }
  return livingProcesses().filter((pid) => {
    try {
      return readlinkSync(`/proc/${pid}/ns/net`) === `net:[${inode}]`;
    } catch {
      return false;
    }
  });
}

/** Every process that was given one of `assignments` (NAME=value) in its environment, and all of its descendants. */
export function processesWithEnvironment(assignments: readonly string[]): number[] {
  const living = livingProcesses();
  const found = new Set(living.filter((pid) => environmentOf(pid).some((each) => assignments.includes(each))));
  const parents = living.map((pid) => [pid, readStat(pid)?.parent ?? 0] as const);
  for (let size = -1; size !== found.size; ) {
    size = found.size;
    for (const [pid, parent] of parents) if (found.has(parent)) found.add(pid);
  }
  return [...found];
}

/**
 * Ends every process that `find` names: TERM to those `politely` picks, KILL to all of them after `graceMs`, until none is left.
 * @throws {FailureError} `timeout` when some remain 10 s after the grace (a process stuck in the kernel).
 */
export async function endProcesses(
  find: () => number[],
  politely: (pid: number) => boolean,
  graceMs: number,
): Promise<void> {
  let left = find();
  for (const pid of left) if (politely(pid)) send(pid, "SIGTERM");
  const killAt = performance.now() + graceMs;
  const deadline = killAt + 10_000;
  while (left.length > 0) {
    if (performance.now() > deadline)
      throw fail("timeout", `Processes ${left.join(", ")} do not end; the machine may be out of order.`);
    if (performance.now() >= killAt) for (const pid of left) send(pid, "SIGKILL");
    await sleep(10);
    left = find();
  }
}

export function parentOf(pid: number): number | undefined {
  return readStat(pid)?.parent;
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended by itself meanwhile.
  }
}

function livingProcesses(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && markOf(pid) !== undefined);
}

function environmentOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0");
  } catch {
    return [];
  }
}

/** Fields of proc_pid_stat(5); the name in parentheses may itself hold spaces and parentheses. */
function readStat(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { state: fields[0] ?? "", parent: Number(fields[1]), startTime: fields[19] ?? "" };
  } catch {
    return undefined;
  }
}
