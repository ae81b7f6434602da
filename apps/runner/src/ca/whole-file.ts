// Files of the CA's folder, which several processes may read and write at once: each appears as a whole or not at all.
import { randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";

/** Writes a file that is not there yet, for good. Of several at once one succeeds; false for the others, whose text is dropped. */
export function writeOnce(file: string, text: string, mode: number): boolean {
  const draft = drafted(file, text, mode);
  try {
    linkSync(draft, file);
    synchronise(dirname(file));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return false;
  } finally {
    rmSync(draft);
  }
}

/** Replaces a file in one step, and only when its text differs: other daemons may be reading it. */
export function tell(file: string, text: string): void {
  if (existsSync(file) && readFileSync(file, "utf8") === text) return;
  renameSync(drafted(file, text, 0o644), file);
}

function drafted(file: string, text: string, mode: number): string {
  const draft = `${file}.${randomBytes(6).toString("hex")}`;
  writeFileSync(draft, text, { mode, flush: true });
  return draft;
}

function synchronise(folder: string): void {
  const descriptor = openSync(folder, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
