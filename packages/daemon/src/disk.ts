// Whether a folder's disk takes a write that lasts.
import { randomBytes } from "node:crypto";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";

/** More than any one record of ours, so that this fails before they do. */
const PROBE = Buffer.alloc(64 * 1_024, "gitspaces ");

/** Writes 64 KiB into the folder, has the disk confirm it, and removes it again. @throws with the cure when it can not. */
export async function probeFolder(folder: string): Promise<void> {
  const file = join(folder, `.probe-${randomBytes(6).toString("hex")}`);
  try {
    await using handle = await open(file, "wx", 0o600);
    await handle.writeFile(PROBE);
    await handle.sync();
  } catch (cause) {
    throw new Error(`nothing can be written in ${folder}: ${diskWords(cause as NodeJS.ErrnoException)}`, { cause });
  } finally {
    await rm(file, { force: true });
  }
}

function diskWords({ code, message }: NodeJS.ErrnoException): string {
  return code === "ENOSPC" || code === "EDQUOT" ? "the disk is full, make room on it" : message;
}
