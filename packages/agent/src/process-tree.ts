// Which processes are this VM's own: the agent's descendants, and those that carry the VM's mark in their environment.
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { VM_MARKER } from "./child-environment.ts";

type Process = { pid: number; parent: number; startedAt: string };

/** The fields of /proc/PID/stat that matter; the name in parentheses may hold anything. */
export function parseStat(text: string): Process | undefined {
  const [, pid] = /^(\d+) \(/.exec(text) ?? [];
  const rest = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state, parent] = rest;
  const startedAt = rest[19];
  if (pid === undefined || parent === undefined || startedAt === undefined || state === "Z") return undefined;
  return { pid: Number(pid), parent: Number(parent), startedAt };
}

function readProc(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, "latin1");
  } catch {
    return "";
  }
}

function processes(): Process[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => parseStat(readProc(`${name}/stat`)) ?? []);
}

/** Everything under `root` by parenthood, `root` itself left out. */
export function descendants(all: readonly Process[], root: number): Process[] {
  const children = Map.groupBy(all, (each) => each.parent);
  const found: Process[] = [];
  const queue = [root];
  for (let parent = queue.pop(); parent !== undefined; parent = queue.pop()) {
    for (const child of children.get(parent) ?? []) {
      found.push(child);
      queue.push(child.pid);
    }
  }
  return found;
}

/** The processes of this VM, without the agent. */
export function vmProcesses(instanceId: string): Process[] {
  const all = processes();
  const own = new Map(descendants(all, process.pid).map((each) => [each.pid, each]));
  for (const each of all) {
    if (own.has(each.pid) || each.pid === process.pid) continue;
    if (readProc(`${each.pid}/environ`).split("\0").includes(`${VM_MARKER}=${instanceId}`)) own.set(each.pid, each);
  }
  return [...own.values()];
}

function signal({ pid, startedAt }: Process, name: NodeJS.Signals): void {
  // A pid may have been given to somebody else since we looked.
  if (parseStat(readProc(`${pid}/stat`))?.startedAt !== startedAt) return;
  try {
    process.kill(pid, name);
  } catch (error) {
    // Gone, or of another user and so beyond us.
    if (!["ESRCH", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}

const LOOK_EVERY_MS = 25;
/** A process that outlives its kill by this much hangs in the kernel or is not ours to end; it goes with the VM. */
const HOPELESS_AFTER_MS = 3_000;

/** Ends every process of the VM but the agent: asked first, killed after `graceMs`. Gives the pids that could not be ended. */
export async function endProcesses(instanceId: string, graceMs: number): Promise<number[]> {
  const until = performance.now() + graceMs;
  for (const each of vmProcesses(instanceId)) signal(each, "SIGTERM");
  for (;;) {
    const left = vmProcesses(instanceId);
    const lateMs = performance.now() - until;
    if (left.length === 0 || lateMs > HOPELESS_AFTER_MS) return left.map(({ pid }) => pid);
    if (lateMs > 0) for (const each of left) signal(each, "SIGKILL");
    await sleep(LOOK_EVERY_MS);
  }
}
