// The processes of this machine, those inside containers and namespaces too, as /proc has them.
import { readdirSync, readFileSync } from "node:fs";

export function pidsNow(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** The words of a process's command; those of one that ended are an error. */
export function commandOf(pid: number): string[] {
  return readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0");
}

export function parentOf(pid: number): number {
  return Number(fieldsOf(pid)[1]);
}

/** Whether it stands still, as after SIGSTOP. */
export function isStopped(pid: number): boolean {
  return fieldsOf(pid)[0] === "T";
}

function fieldsOf(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}
