// Files and sockets that somebody inside a dev container has made. A link there could lead anywhere in this VM, so none is followed.
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import type { Socket } from "node:net";
import { dial } from "../dial.ts";

/** A descriptor that only stands for a place (Linux). */
const O_PATH = 0x20_0000;
const MOST_BYTES = 16 * 1024;

/** A connection to the Unix socket at `path`. @throws {FailureError} `vm_unreachable` with the sentence `silent` when there is none. */
export async function dialReceived(path: string, silent: string): Promise<Socket> {
  let place: number | undefined;
  try {
    place = openSync(path, O_PATH | constants.O_NOFOLLOW);
  } catch {
    // Nothing is there; dialling says so.
  }
  try {
    const isSocket = place !== undefined && fstatSync(place).isSocket();
    return await dial(isSocket ? [{ path: `/proc/self/fd/${place}` }] : [], silent);
  } finally {
    if (place !== undefined) closeSync(place);
  }
}

/** The last lines of the text file at `path`, at most 16 KiB of it; none when it is no file. */
export function readReceived(path: string): string[] {
  let file: number | undefined;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const { size } = fstatSync(file);
    if (!fstatSync(file).isFile()) return [];
    const buffer = Buffer.alloc(Math.min(size, MOST_BYTES));
    const length = readSync(file, buffer, 0, buffer.length, Math.max(0, size - MOST_BYTES));
    const lines = buffer
      .subarray(0, length)
      .toString("utf8")
      .split(/[\r\n]+/);
    return lines.filter((line) => line.trim() !== "");
  } catch {
    return [];
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
