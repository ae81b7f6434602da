// One supervisor per data folder. The lock names its holder by pid and start time, so a crash leaves no lock that holds.
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fail } from "@gitspaces/contracts";
import { identify, isAlive, ProcessIdentity } from "./process-identity.ts";

function lockFile(dataFolder: string): string {
  return join(dataFolder, "lock");
}

/** The living supervisor of a data folder, if there is one. */
export function lockHolder(dataFolder: string): ProcessIdentity | undefined {
  const holder = readHolder(lockFile(dataFolder));
  return holder !== undefined && isAlive(holder) ? holder : undefined;
}

function readHolder(file: string): ProcessIdentity | undefined {
  try {
    return ProcessIdentity.safeParse(JSON.parse(readFileSync(file, "utf8"))).data;
  } catch {
    return undefined;
  }
}

/**
 * Takes the lock of a data folder until disposed.
 * @throws {FailureError} `conflict` naming the process that holds it and how to end that.
 */
export function takeLock(dataFolder: string): Disposable {
  const file = lockFile(dataFolder);
  const self = identify(process.pid);
  if (self === undefined) throw fail("unsupported", "This machine has no /proc; Linux is needed.");
  const own = `${file}.${process.pid}`;
  writeFileSync(own, `${JSON.stringify(self)}\n`, { mode: 0o600 });
  try {
    // A link either makes the whole file appear or fails because one is there: nobody ever reads a half-written lock.
    while (!linked(own, file)) {
      const holder = lockHolder(dataFolder);
      if (holder !== undefined) throw taken(dataFolder, holder);
      moveAside(file);
    }
  } finally {
    rmSync(own, { force: true });
  }
  return {
    [Symbol.dispose]() {
      if (readHolder(file)?.pid === process.pid) rmSync(file, { force: true });
    },
  };
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Of two that find the same dead lock, one moves it away; the other then meets what the first one made. */
function moveAside(file: string): void {
  const aside = `${file}.dead.${process.pid}`;
  try {
    renameSync(file, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  const moved = readHolder(aside);
  if (moved !== undefined && isAlive(moved)) linked(aside, file);
  rmSync(aside, { force: true });
}

function taken(dataFolder: string, holder: ProcessIdentity): Error {
  return fail(
    "conflict",
    `Gitspaces already runs on ${dataFolder} (pid ${holder.pid}). ` +
      `Stop it with bin/down --data ${dataFolder}, or give this one its own --data and --port-base.`,
    { field: "data", details: { pid: holder.pid } },
  );
}
