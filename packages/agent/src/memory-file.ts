// A text for exactly one child process: a file in memory that has no name by the time anyone could look for it.
import { randomUUID } from "node:crypto";
import { openSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import { inMemory } from "./run-folder.ts";

/** The descriptor of such a file; whoever asked closes it. */
export function fileInMemory(text: string): number {
  const path = join(inMemory(), `gs-${randomUUID()}`);
  const file = openSync(path, "wx+", 0o600);
  unlinkSync(path);
  writeSync(file, text);
  return file;
}
