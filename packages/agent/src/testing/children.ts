// The children of a process, as /proc tells of them.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { parseStat } from "../process-tree.ts";

/** Those whose command line holds `text`. */
export function childrenOf(parent: number, text: string): { pid: number; uid: number }[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = parseStat(readFileSync(`/proc/${name}/stat`, "latin1"));
        if (stat?.parent !== parent || !readFileSync(`/proc/${name}/cmdline`, "latin1").includes(text)) return [];
        return [{ pid: stat.pid, uid: statSync(`/proc/${name}`).uid }];
      } catch {
        return [];
      }
    });
}
