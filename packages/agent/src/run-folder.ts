// Sockets and short-lived secrets live in a private folder in memory, with a short path: a socket's may have 107 bytes only.
import { createHash } from "node:crypto";
import { accessSync, constants, lstatSync, mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fail } from "@gitspaces/contracts";

/** A folder whose files are in memory, where the machine has one. */
export function inMemory(): string {
  try {
    accessSync("/dev/shm", constants.W_OK | constants.X_OK);
    return "/dev/shm";
  } catch {
    return tmpdir();
  }
}

/** Where the run folder of the agent that owns `stateFolder` is. The name has no character that a shell would read. */
export function runFolderOf(stateFolder: string): string {
  const name = createHash("sha256").update(stateFolder).digest("hex").slice(0, 12);
  return join(inMemory(), `gs-${name}`);
}

export type RunFolder = Disposable & { path: string };

/** Makes the run folder (0700), empty. @throws {FailureError} `internal` when somebody else has taken its place. */
export function openRunFolder(stateFolder: string): RunFolder {
  const path = runFolderOf(stateFolder);
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { mode: 0o700 });
  if (lstatSync(path).uid !== process.getuid?.()) throw fail("internal", `${path} belongs to another user.`);
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
