// What a warm VM holds before anyone comes: the images that its pool names. Afterwards its engine sleeps, to cost no memory.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { failpoint, type Logger } from "@gitspaces/daemon";
import { setTimeout as sleep } from "node:timers/promises";
import type { Engine } from "./engine.ts";

export type Preloading = {
  images: readonly string[];
  /** Holds archives of images, `<SHA-256 of the image's name>.tar`; an image without one is pulled. */
  folder: string;
  engine: Engine;
  /** Whether the engine goes on while the VM waits for a Gitspace. */
  keepEngine: boolean;
  log: Logger;
  /** Of a repository, after the images. */
  preparation?: { prepare(signal: AbortSignal): Promise<void>; wipe(): void } | undefined;
  /** After so long the VM is ready without what is missing, which is tried again now and then. */
  patienceMs?: number;
  retryMs?: number;
};

const PATIENCE_MS = 180_000;
const RETRY_MS = 10_000;
const LONGEST_RETRY_MS = 600_000;
const IMAGE_DEADLINE_MS = 900_000;

/** Where the archive of an image is, if there is one. */
export function archiveOf(folder: string, image: string): string {
  return join(folder, `${createHash("sha256").update(image).digest("hex")}.tar`);
}

/** Those of the images that have an archive. */
export function archived(folder: string, images: readonly string[]): string[] {
  return images.filter((image) => existsSync(archiveOf(folder, image)));
}

export class Preload implements AsyncDisposable {
  readonly #preloading: Preloading;
  #ready = false;
  /** No image is missing; unlike `#ready`, which patience may bring about. */
  #whole = false;
  #running: { stop: AbortController; ended: Promise<void> } | undefined;

  constructor(preloading: Preloading) {
    this.#preloading = preloading;
  }

  /** Whether this VM holds what it should, or has waited long enough for it. */
  get ready(): boolean {
    return this.#ready;
  }

  /** Begins, in the background. */
  start(): void {
    if (this.#running !== undefined) return;
    const stop = new AbortController();
    const patience = setTimeout(() => this.#giveUpWaiting(), this.#preloading.patienceMs ?? PATIENCE_MS).unref();
    const ended = this.#run(stop.signal)
      .catch((error: unknown) => {
        if (stop.signal.aborted) return;
        this.#preloading.log.error({ err: error }, "preloading ended");
        this.#beReady();
      })
      .finally(() => clearTimeout(patience));
    this.#running = { stop, ended };
  }

  /** Ends it; over when this resolves. The engine is left as it is. */
  async stop(): Promise<void> {
    this.#running?.stop.abort(new Error("preloading is over"));
    await this.#running?.ended;
  }

  /**
   * Loads what is still missing and lies in an archive, for a Gitspace that came before the VM was ready: no registry need know
   * that image. What must be pulled is left to whoever needs it.
   */
  async catchUp(signal: AbortSignal): Promise<void> {
    this.#preloading.preparation?.wipe();
    if (this.#whole) return;
    const { folder, images } = this.#preloading;
    const missing = await this.#pass(archived(folder, images), signal);
    this.#whole = missing.length === 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #giveUpWaiting(): void {
    if (this.#ready) return;
    this.#preloading.log.warn("the VM is ready without all that it should hold; that is fetched when it is needed");
    this.#beReady();
  }

  /** A VM that still holds a credential is none to give to anybody. */
  #beReady(): void {
    try {
      this.#preloading.preparation?.wipe();
      this.#ready = true;
    } catch (error) {
      this.#preloading.log.error({ err: error }, "the VM is not ready: its credential cannot be wiped");
    }
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { engine, keepEngine, images, preparation, retryMs = RETRY_MS } = this.#preloading;
    let missing = [...images];
    for (let pauseMs = retryMs; missing.length > 0; pauseMs = Math.min(2 * pauseMs, LONGEST_RETRY_MS)) {
      missing = await this.#pass(missing, signal);
      if (missing.length > 0) await sleep(pauseMs, undefined, { signal, ref: false });
    }
    this.#whole = true;
    await this.#prepare(signal);
    if ((images.length > 0 || preparation !== undefined) && !keepEngine) await engine.stop();
    failpoint("agent.afterPreload");
    this.#beReady();
  }

  /** Tries it until the VM is ready, with or without it. */
  async #prepare(signal: AbortSignal): Promise<void> {
    const { preparation, log, retryMs = RETRY_MS } = this.#preloading;
    if (preparation === undefined) return;
    while (!this.#ready) {
      try {
        await preparation.prepare(signal);
        return;
      } catch (error) {
        signal.throwIfAborted();
        log.warn({ err: error }, "the repository could not be prepared");
        if (!this.#ready) await sleep(retryMs, undefined, { signal, ref: false });
      }
    }
  }

  /** Tries each; gives those that are still missing. */
  async #pass(images: readonly string[], signal: AbortSignal): Promise<string[]> {
    const missing: string[] = [];
    for (const image of images) {
      try {
        await this.#fetch(image, signal);
      } catch (error) {
        signal.throwIfAborted();
        this.#preloading.log.warn({ image, err: error }, "an image could not be preloaded; it is tried again");
        missing.push(image);
      }
    }
    return missing;
  }

  async #fetch(image: string, signal: AbortSignal): Promise<void> {
    const { engine, folder, log } = this.#preloading;
    await engine.ready(signal);
    const within = AbortSignal.any([signal, AbortSignal.timeout(IMAGE_DEADLINE_MS)]);
    if ((await engine.docker(["image", "inspect", "--format", "{{.Id}}", "--", image], { signal: within })).code === 0)
      return;
    const since = performance.now();
    const archive = archiveOf(folder, image);
    const from = existsSync(archive) ? "archive" : "registry";
    const args = from === "archive" ? ["load", "--quiet", "--input", archive] : ["pull", "--quiet", "--", image];
    const { code, output } = await engine.docker(args, { signal: within });
    failpoint("agent.afterImage");
    if (code !== 0) throw new Error(output.slice(-3).join(" "));
    log.info({ image, from, tookMs: Math.round(performance.now() - since) }, "image preloaded");
  }
}
