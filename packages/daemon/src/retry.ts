// Waiting for what is not there yet: jittered, growing, and never past a deadline or an abort.
import { setTimeout as sleep } from "node:timers/promises";
import { FailureError, fail } from "@gitspaces/contracts";
import type { Logger } from "./log.ts";

export type Backoff = { wait(): Promise<void>; reset(): void };

/** Pauses that grow from `firstMs` to `maxMs`, each between half and all of its length. `wait` throws when `signal` aborts. */
export function backoff({
  firstMs = 100,
  maxMs = 5_000,
  signal,
}: {
  firstMs?: number;
  maxMs?: number;
  signal?: AbortSignal;
} = {}): Backoff {
  let nextMs = firstMs;
  return {
    async wait() {
      const pauseMs = nextMs * (0.5 + Math.random() / 2);
      nextMs = Math.min(maxMs, nextMs * 2);
      await sleep(pauseMs, undefined, signal === undefined ? {} : { signal });
    },
    reset() {
      nextMs = firstMs;
    },
  };
}

type Retry = { signal: AbortSignal; deadlineMs: number; log: Logger; what: string; firstMs?: number; maxMs?: number };

/**
 * Repeats `work` until it succeeds. A failure that says `retry: never` is thrown at once.
 * @throws {FailureError} `timeout` with the last error as its cause when `deadlineMs` have passed.
 */
export async function retryUntil<T>(
  work: () => Promise<T>,
  { signal, deadlineMs, log, what, firstMs = 50, maxMs = 2_000 }: Retry,
): Promise<T> {
  const until = performance.now() + deadlineMs;
  const pause = backoff({ firstMs, maxMs, signal });
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof FailureError && error.failure.retry === "never") throw error;
      if (performance.now() > until) {
        const reason = error instanceof Error ? error.message : String(error);
        throw fail("timeout", `${what} was not there within ${Math.round(deadlineMs / 1_000)} s: ${reason}`, {
          cause: error,
        });
      }
      if (attempt === 4) log.warn({ what, reason: (error as Error).message }, "still waiting");
      await pause.wait();
    }
  }
}
