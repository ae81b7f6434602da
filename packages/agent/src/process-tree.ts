// Which processes are this VM's own: the agent's descendants, those that carry the VM's mark in their environment, and in a VM
// with a user of its own everything of that user.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { VM_MARKER } from "./child-environment.ts";

/** Whether the VM has its own users, processes and network, or shares the machine's. */
export type Isolation = "namespace" | "none";
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

/** What runs under our user in a VM of its own, without the agent and the processes above it. */
function usersProcesses(): Process[] {
  const all = processes();
  const parents = new Map(all.map(({ pid, parent }) => [pid, parent]));
  const above = new Set<number>();
  for (let pid = process.pid; pid > 0 && !above.has(pid); pid = parents.get(pid) ?? 0) above.add(pid);
  return all.filter(({ pid }) => !above.has(pid) && userOf(pid) === process.getuid?.());
}

function userOf(pid: number): number | undefined {
  return statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid;
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

/**
 * Ends every process of the VM but the agent: asked first, killed after `graceMs`. Gives the pids that could not be ended.
 * With `namespace` also what took off the mark and left the tree, as a program with an environment of its own does.
 */
export async function endProcesses(instanceId: string, isolation: Isolation, graceMs: number): Promise<number[]> {
  const until = performance.now() + graceMs;
  // Root's are the machine's too.
  const ofUser = isolation === "namespace" && process.getuid?.() !== 0;
  const find = () => (ofUser ? usersProcesses() : vmProcesses(instanceId));
  for (const each of find()) signal(each, "SIGTERM");
  for (;;) {
    const left = find();
    const lateMs = performance.now() - until;
    if (left.length === 0 || lateMs > HOPELESS_AFTER_MS) return left.map(({ pid }) => pid);
    if (lateMs > 0) for (const each of left) signal(each, "SIGKILL");
    await sleep(LOOK_EVERY_MS);
  }
}
