// The last access documents on disk, signed as they came, so that a gateway serves without its control plane.
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { KeySet } from "@gitspaces/contracts";
import type { Logger } from "@gitspaces/daemon";
import { z } from "zod";
import type { AccessSnapshot } from "./access.ts";

const Kept = z.strictObject({
  keys: KeySet,
  lastEventId: z.string(),
  documents: z.array(z.string()),
  revocations: z.array(z.string()),
});
const PAUSE_MS = 200;
/** A disk that refused is asked again this much later. */
const AGAIN_MS = 3_000;

/** What was kept, or nothing when there is none or it can not be read. */
export async function readAccessFile(file: string, log: Logger): Promise<AccessSnapshot | undefined> {
  try {
    return Kept.parse(JSON.parse(await readFile(file, "utf8")));
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== "ENOENT")
      log.warn({ err, file }, "kept access documents could not be read, starting without");
    return undefined;
  }
}

/** Writes a file whole or not at all, readable by its owner only. */
export async function writeWhole(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  try {
    await using handle = await open(`${file}.new`, "w", 0o600);
    await handle.writeFile(text);
    await handle.sync();
  } catch (error) {
    // On a full disk the half that was written is in the way.
    await rm(`${file}.new`, { force: true });
    throw error;
  }
  await rename(`${file}.new`, file);
}

/** Writes soon after it is told to, once for many changes; on disposal at once. */
export class AccessFile implements AsyncDisposable {
  readonly #file: string;
  readonly #snapshot: () => AccessSnapshot;
  readonly #log: Logger;
  readonly #stop = new AbortController();
  #isDirty = false;
  #writing: Promise<void> | undefined;

  constructor(file: string, snapshot: () => AccessSnapshot, log: Logger) {
    this.#file = file;
    this.#snapshot = snapshot;
    this.#log = log;
  }

  changed(): void {
    this.#isDirty = true;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  async #write(): Promise<void> {
    while (this.#isDirty) {
      await sleep(PAUSE_MS, undefined, { signal: this.#stop.signal, ref: false }).catch(() => {});
      this.#isDirty = false;
      try {
        await writeWhole(this.#file, JSON.stringify(this.#snapshot()));
      } catch (err) {
        this.#log.error({ err, file: this.#file }, "access documents could not be kept");
        if (this.#stop.signal.aborted) return;
        this.#isDirty = true;
        await sleep(AGAIN_MS, undefined, { signal: this.#stop.signal, ref: false }).catch(() => {});
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#writing;
  }
}
