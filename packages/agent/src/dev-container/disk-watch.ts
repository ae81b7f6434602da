// How full the disks of a Gitspace are, and words for the one that is: what is full, and what to remove.
import { statfs } from "node:fs/promises";
import { FailureError, fail } from "@gitspaces/contracts";
import type { Logger } from "@gitspaces/daemon";

/** A disk of the VM: `what` it is in the words of the person, `cure` what may be removed from it. */
export type WatchedDisk = { folder: string; what: string; cure: string };
/** In megabytes of 2²⁰ bytes; `freeMb` is what a program of the person may still write. */
export type DiskSpace = { totalMb: number; freeMb: number };

const MB = 1024 * 1024;
const LOW_MB = 2_048;
const LOW_SHARE = 0.1;
const FULL_MB = 32;
const LOOK_EVERY_MS = 5_000;

/** How full the disk under a folder is; nothing when it can not be asked. */
export async function spaceOf(folder: string): Promise<DiskSpace | undefined> {
  try {
    const { bsize, blocks, bavail } = await statfs(folder);
    return { totalMb: Math.floor((bsize * blocks) / MB), freeMb: Math.floor((bsize * bavail) / MB) };
  } catch {
    return undefined;
  }
}

/** Whether to tell: less than a tenth is free, or of a large disk less than 2 GB. Pure. */
export function isLow({ totalMb, freeMb }: DiskSpace): boolean {
  return freeMb < Math.min(LOW_MB, totalMb * LOW_SHARE);
}

/** Whether a write is about to fail. Pure. */
export function isFull({ freeMb }: DiskSpace): boolean {
  return freeMb < FULL_MB;
}

/** One sentence: what is full or nearly so, and what to do about it. Pure. */
export function wordsOn({ what, cure }: WatchedDisk, space: DiskSpace): string {
  const state = isFull(space) ? "is full" : "is nearly full";
  return `${what} ${state}: ${space.freeMb} of ${space.totalMb} MB are free. ${cure}`;
}

/** What a full disk may have been the reason of. */
const symptoms = ["disk_full", "internal", "ide_failed", "repository_unreachable", "vm_unreachable", "timeout"];

/** The failure to answer instead of `cause` when one of these disks is full; nothing when none is or it can not be the reason. */
export async function fullDisk(disks: readonly WatchedDisk[], cause: unknown): Promise<FailureError | undefined> {
  if (cause instanceof FailureError && !symptoms.includes(cause.failure.code)) return undefined;
  for (const disk of disks) {
    const space = await spaceOf(disk.folder);
    if (space === undefined || !isFull(space)) continue;
    return fail("disk_full", wordsOn(disk, space), { cause, details: { ...space } });
  }
  return undefined;
}

/** A sentence for each of these disks that is low or full. */
export async function lowDisks(disks: readonly WatchedDisk[]): Promise<string[]> {
  const words: string[] = [];
  for (const disk of disks) {
    const space = await spaceOf(disk.folder);
    if (space !== undefined && (isLow(space) || isFull(space))) words.push(wordsOn(disk, space));
  }
  return words;
}

/** Looks every few seconds; `tell` hears when a disk becomes low or full, not while it stays so. */
export function watchDisks(disks: readonly WatchedDisk[], tell: (words: string) => void, log: Logger): Disposable {
  const told = new Map<WatchedDisk, string>();
  const look = async () => {
    for (const disk of disks) {
      const space = await spaceOf(disk.folder);
      if (space === undefined) continue;
      const state = isFull(space) ? "full" : isLow(space) ? "low" : "fine";
      if (state !== "fine" && told.get(disk) !== state) tell(wordsOn(disk, space));
      told.set(disk, state);
    }
  };
  const timer = setInterval(() => {
    look().catch((error: unknown) => log.error({ err: error }, "the disks could not be watched"));
  }, LOOK_EVERY_MS).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** The disks of a VM with dev containers. */
export function disksOf(home: string, engineStore: string): WatchedDisk[] {
  return [
    {
      folder: home,
      what: "The home disk of this Gitspace",
      cure: "Remove what you do not need from the workspace, your home folder or the volumes of your containers.",
    },
    {
      folder: engineStore,
      what: "The disk for images of this Gitspace's VM",
      cure: "Use fewer or smaller images; stop the Gitspace and start it again to get an empty one.",
    },
  ];
}
