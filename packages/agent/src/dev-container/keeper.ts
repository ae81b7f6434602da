// Keeps what should run running: looks again and again, and makes good what is not as it should be, never twice at once.
import { setTimeout as sleep } from "node:timers/promises";
import { FailureError } from "@gitspaces/contracts";
import { backoff, type Logger } from "@gitspaces/daemon";

export type Keeping = {
  /** What is wrong, in words for a log; nothing when all is well. */
  complaint: () => Promise<string | undefined>;
  recover: (signal: AbortSignal) => Promise<void>;
  log: Logger;
  everyMs?: number;
};

const LOOK_EVERY_MS = 1_000;
const RECOVERY_DEADLINE_MS = 15 * 60_000;

export class Keeper implements AsyncDisposable {
  readonly #keeping: Keeping;
  #running: { stop: AbortController; ended: Promise<void> } | undefined;

  constructor(keeping: Keeping) {
    this.#keeping = keeping;
  }

  /** From now on what is wrong is made good, at first at once. */
  keep(): void {
    if (this.#running !== undefined) return;
    const stop = new AbortController();
    const ended = this.#loop(stop.signal).catch((error: unknown) => {
      if (!stop.signal.aborted) this.#keeping.log.error({ err: error }, "the dev container is no longer watched");
    });
    this.#running = { stop, ended };
  }

  /** No more; a recovery that is under way is called off, and over when this resolves. */
  async letGo(): Promise<void> {
    const running = this.#running;
    running?.stop.abort(new Error("let go"));
    await running?.ended;
    if (this.#running === running) this.#running = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.letGo();
  }

  async #loop(signal: AbortSignal): Promise<void> {
    const { log, recover, everyMs = LOOK_EVERY_MS } = this.#keeping;
    const pause = backoff({ firstMs: everyMs, maxMs: 30_000, signal });
    while (!signal.aborted) {
      try {
        const because = await this.#keeping.complaint();
        signal.throwIfAborted();
        if (because === undefined) {
          pause.reset();
          await sleep(everyMs, undefined, { signal, ref: false });
          continue;
        }
        const since = performance.now();
        log.warn({ because }, "the dev container is brought back");
        await recover(AbortSignal.any([signal, AbortSignal.timeout(RECOVERY_DEADLINE_MS)]));
        log.info({ tookMs: Math.round(performance.now() - since) }, "the dev container is back");
      } catch (error) {
        signal.throwIfAborted();
        // A later VM has the home disk: nothing here is to run any more.
        if (error instanceof FailureError && error.failure.code === "superseded") throw error;
        log.error({ err: error }, "the dev container could not be brought back; it is tried again");
        await pause.wait();
      }
    }
  }
}
