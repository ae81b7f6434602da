// Files that only this person may read, replaced in one step: whoever reads them meets the old content or the new one.
import { chmodSync, mkdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fail } from "@gitspaces/contracts";

/** The text of a file, or nothing when it is not there. @throws {FailureError} `bad_request` when it cannot be read. */
export function readFileIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw fail("bad_request", `${path} cannot be read. Correct its owner and mode, then run this again.`, { cause });
  }
}

/** Writes a file of this person alone. A symbolic link stays one: what it points to is replaced. @throws {FailureError} `bad_request` */
export function writePrivateFile(path: string, text: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const place = realPath(path);
    const draft = `${place}.gitspaces-${process.pid}`;
    try {
      writeFileSync(draft, text, { mode: 0o600, flush: true });
      chmodSync(draft, 0o600);
      renameSync(draft, place);
    } catch (error) {
      rmSync(draft, { force: true });
      throw error;
    }
  } catch (cause) {
    const reason = (cause as Error).message;
    throw fail("bad_request", `${path} cannot be written: ${reason}`, { cause });
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
