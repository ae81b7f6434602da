// What a proxy costs, as the kernel counts it: CPU and memory of a process and all it started, sockets at a port.
import { readdirSync, readFileSync } from "node:fs";

const TICK_US = 10_000;
const LISTEN = "0A";
const TIME_WAIT = "06";

type Stat = { pid: number; parent: number; ticks: number; pages: number };

/** User and system time of a process tree so far, in microseconds. */
export const cpuMicros = (root: number): number => sum(root, ({ ticks }) => ticks * TICK_US);

/** Resident memory of a process tree, in bytes. */
export const residentBytes = (root: number): number => sum(root, ({ pages }) => pages * 4_096);

/** Connections that a server still has at its port. */
export function socketsAt(port: number): number {
  const local = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const lines = ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((file) => readFileSync(file, "utf8").split("\n").slice(1));
  return lines.filter((line) => {
    const [, address = "", , state = ""] = line.trim().split(/\s+/);
    return address.endsWith(local) && state !== LISTEN && state !== TIME_WAIT;
  }).length;
}

function sum(root: number, figure: (stat: Stat) => number): number {
  const all = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap(readStat);
  const tree = new Set([root]);
  for (let size = 0; size !== tree.size; ) {
    size = tree.size;
    for (const { pid, parent } of all) if (tree.has(parent)) tree.add(pid);
  }
  return all.filter(({ pid }) => tree.has(pid)).reduce((total, stat) => total + figure(stat), 0);
}

/** proc(5): the name is in parentheses and may hold anything, so fields are counted from its end. */
function readStat(name: string): Stat[] {
  try {
    const text = readFileSync(`/proc/${name}/stat`, "utf8");
    const fields = text
      .slice(text.lastIndexOf(")") + 2)
      .split(" ")
      .map(Number);
    const [parent = 0, user = 0, system = 0, pages = 0] = [fields[1], fields[11], fields[12], fields[21]];
    return [{ pid: Number(name), parent, ticks: user + system, pages }];
  } catch {
    return [];
  }
}
