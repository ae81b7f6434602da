// A canary: a small round trip through what a daemon works with, made every few seconds, so that readiness speaks of deeds.
import { setTimeout as sleep } from "node:timers/promises";

export type Canary = AsyncDisposable & {
  /** Throws the reason while round trips fail, or when the last one came back too long ago. */
  readonly check: () => void;
};
type Options = {
  /** Begins the reason, such as "a task through the queue". */
  what: string;
  /** One round trip. Its signal aborts when it takes longer than `staleMs`. */
  trip: (signal: AbortSignal) => Promise<void> | void;
  everyMs?: number;
  staleMs?: number;
};

/** Makes a round trip at once and then every `everyMs` (milliseconds), until disposed. */
export function startCanary({ what, trip, everyMs = 5_000, staleMs = 12_000 }: Options): Canary {
  const stop = new AbortController();
  let backAt: number | undefined;
  let trouble: string | undefined;

  async function fly(): Promise<void> {
    for (;;) {
      const late = AbortSignal.timeout(staleMs);
      try {
        await orAborted(trip, AbortSignal.any([stop.signal, late]));
        backAt = performance.now();
        trouble = undefined;
      } catch (error) {
        if (stop.signal.aborted) return;
        trouble = late.aborted ? `did not come back within ${staleMs / 1_000} s` : (error as Error).message;
      }
      await sleep(everyMs, undefined, { signal: stop.signal, ref: false });
    }
  }
  const flying = fly().catch(() => undefined);

  return {
    check() {
      if (trouble !== undefined) throw new Error(`${what}: ${trouble}`);
      if (backAt === undefined) throw new Error(`${what}: the first has not come back yet`);
      // Also true of a process that was paused: what it knew before says nothing of now.
      const ageMs = performance.now() - backAt;
      if (ageMs > staleMs) throw new Error(`${what}: the last came back ${Math.round(ageMs / 1_000)} s ago`);
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await flying;
    },
  };
}

/** A trip that heeds no signal is left behind. */
async function orAborted(trip: Options["trip"], signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason as Error);
  signal.addEventListener("abort", abort, { once: true });
  const trips = (async () => trip(signal))();
  trips.catch(() => undefined);
  await Promise.race([trips, aborted.promise]).finally(() => signal.removeEventListener("abort", abort));
}
