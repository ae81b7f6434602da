// Whether a process is still the one that it was: its number may have been given to another.
import { readFileSync } from "node:fs";
import { parseStat } from "../process-tree.ts";

/** What tells this life of a pid from a later one's; nothing when it is over. */
export function lifeOf(pid: number): string | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, "latin1"))?.startedAt;
  } catch {
    return undefined;
  }
}

export function isAlive(pid: number, life: string | undefined): boolean {
  return life !== undefined && lifeOf(pid) === life;
}
