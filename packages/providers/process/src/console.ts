// What a VM printed, kept short: its agent writes to a file by itself, so that it needs nobody to read it.
import { copyFile, open, stat, truncate } from "node:fs/promises";
import { isErrno } from "./durable-file.ts";
import type { VmFolder } from "./record.ts";

const limitBytes = 1_048_576;
const tailBytes = 16_384;

/** Puts a long console aside. The agent appends, so it goes on at the start of the emptied file. */
export async function capConsole(folder: VmFolder): Promise<void> {
  try {
    if ((await stat(folder.console)).size <= limitBytes) return;
    await copyFile(folder.console, folder.oldConsole);
    await truncate(folder.console);
    if ((await stat(folder.oldConsole)).size > 4 * limitBytes) await truncate(folder.oldConsole, 4 * limitBytes);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
}

/** The end of a VM's output, whole lines. */
export async function readConsole(folder: VmFolder): Promise<string> {
  const now = await tail(folder.console);
  return now.length >= tailBytes / 2 ? now : `${await tail(folder.oldConsole)}${now}`;
}

async function tail(path: string): Promise<string> {
  try {
    await using file = await open(path, "r");
    const { size } = await file.stat();
    const from = Math.max(0, size - tailBytes);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - from), 0, size - from, from);
    const text = buffer.toString("utf8", 0, bytesRead);
    return from === 0 ? text : text.slice(text.indexOf("\n") + 1);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return "";
    throw error;
  }
}
