// The processes this installation started, on disk: what a killed supervisor leaves can still be found and ended.
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { endProcess, identify, ProcessIdentity } from "./process-identity.ts";

const Entries = z.array(ProcessIdentity.extend({ name: z.string() }));
export type Entry = z.infer<typeof Entries>[number];

function listFile(dataFolder: string): string {
  return join(dataFolder, "processes.json");
}

export function readProcessList(dataFolder: string): Entry[] {
  try {
    return Entries.safeParse(JSON.parse(readFileSync(listFile(dataFolder), "utf8"))).data ?? [];
  } catch {
    return [];
  }
}

function write(dataFolder: string, entries: Entry[]): void {
  const file = listFile(dataFolder);
  writeFileSync(`${file}.new`, `${JSON.stringify(entries)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/** Notes that process `pid` is now the one called `name`. */
export function noteProcess(dataFolder: string, name: string, pid: number): void {
  const identity = identify(pid);
  const others = readProcessList(dataFolder).filter((entry) => entry.name !== name);
  write(dataFolder, identity === undefined ? others : [...others, { name, ...identity }]);
}

/** For a supervisor that has seen every one of them end. */
export function forgetProcesses(dataFolder: string): void {
  rmSync(listFile(dataFolder), { force: true });
}

/** Ends every listed process that still lives, Redis after the others; gives the names of those it ended. */
export async function endListed(dataFolder: string, graceMs: number): Promise<string[]> {
  const entries = readProcessList(dataFolder);
  const end = async (entry: Entry) => ((await endProcess(entry, graceMs)) ? [entry.name] : []);
  const daemons = await Promise.all(entries.filter((entry) => entry.name !== "redis").map(end));
  const redis = await Promise.all(entries.filter((entry) => entry.name === "redis").map(end));
  forgetProcesses(dataFolder);
  return [...daemons, ...redis].flat();
}
