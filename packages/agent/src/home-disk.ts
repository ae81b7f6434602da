// The Gitspace's own disk: it appears in place of the home folder some time after this VM was claimed, marked with its id.
import { type FSWatcher, readFileSync, watch } from "node:fs";
import { dirname, join } from "node:path";
import { fail } from "@gitspaces/contracts";
import { failpoint } from "@gitspaces/daemon";
import { writeDurably } from "./durable-file.ts";

/** Waits for the home disk. */
export interface HomeDisk {
  /** Resolves once the disk stands at the home folder. */
  attached(diskId: string, signal: AbortSignal): Promise<void>;
}

/** The folder on a home disk that is ours and not the person's. */
export const OWN_FOLDER = ".gitspaces";
const LOOK_EVERY_MS = 20;
const ATTACH_DEADLINE_MS = 60_000;

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return undefined;
  }
}

/** A disk that is a folder, moved to `home` with its id in `.gitspaces/disk`. */
export function folderDisk(home: string): HomeDisk {
  const there = (diskId: string) => readText(join(home, OWN_FOLDER, "disk")) === diskId;
  return {
    async attached(diskId, signal) {
      signal.throwIfAborted();
      if (there(diskId)) return;
      await waitUntil(() => there(diskId), dirname(home), signal).catch((error: unknown) => {
        signal.throwIfAborted();
        const found = readText(join(home, OWN_FOLDER, "disk")) ?? "none";
        throw fail("vm_unreachable", `Home disk ${diskId} did not appear at ${home}; found there: ${found}.`, {
          cause: error,
        });
      });
    },
  };
}

/** The watch makes it quick; the look now and then makes it sure, where a file system tells nothing. */
async function waitUntil(holds: () => boolean, folder: string, signal: AbortSignal): Promise<void> {
  const within = AbortSignal.any([signal, AbortSignal.timeout(ATTACH_DEADLINE_MS)]);
  let watcher: FSWatcher | undefined;
  let timer: NodeJS.Timeout | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      const look = () => {
        if (holds()) resolve();
      };
      timer = setInterval(look, LOOK_EVERY_MS);
      watcher = watch(folder, look).on("error", look);
      within.addEventListener("abort", () => reject(within.reason as Error), { once: true });
      look();
    });
  } finally {
    clearInterval(timer);
    watcher?.close();
  }
}

/**
 * Leaves this generation on the home disk, where it outlives the VM.
 * @throws {FailureError} `superseded` when a later generation was here already.
 */
export function claimHome(home: string, generation: number): void {
  const file = join(home, OWN_FOLDER, "generation");
  const seen = Number(readText(file) ?? 0);
  if (Number.isSafeInteger(seen) && seen > generation) {
    throw fail("superseded", `The home disk has seen generation ${seen}, later than ${generation}.`);
  }
  if (seen !== generation) writeDurably(file, `${generation}\n`);
  failpoint("agent.afterHomeClaim");
}
