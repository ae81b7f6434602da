// Sockets and short-lived secrets live in a private folder in memory, with a short path: a socket's may have 107 bytes only.
import { createHash } from "node:crypto";
import { accessSync, constants, lstatSync, mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fail } from "@gitspaces/contracts";

function inMemory(): string {
  try {
    accessSync("/dev/shm", constants.W_OK | constants.X_OK);
    return "/dev/shm";
  } catch {
    return tmpdir();
  }
}

/** Makes the run folder (0700) of the agent that owns `stateFolder`, empty. Its name has no character a shell would read. */
export function openRunFolder(stateFolder: string): RunFolder {
  const name = createHash("sha256").update(stateFolder).digest("hex").slice(0, 12);
  const path = join(inMemory(), `gs-${name}`);
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { mode: 0o700 });
  if (lstatSync(path).uid !== process.getuid?.()) throw fail("internal", `${path} belongs to another user.`);
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

export type RunFolder = Disposable & { path: string };
