// Runs the sweep now and then; one runner at a time, by lease.
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "@gitspaces/daemon";
import type { RedisMemory } from "./redis-memory.ts";
import type { VmStore } from "./vm-store.ts";

/** No pool can have this name. */
const LEASE = "-sweep";

type Options = {
  sweep: (signal: AbortSignal) => Promise<void>;
  memory: Pick<RedisMemory, "isWhole">;
  store: VmStore;
  holder: string;
  everyMs: number;
  log: Logger;
  afterSweep: () => void;
};

/** How soon a loss of records is noticed, whatever caused it. */
const LOOK_MS = 1_000;
/** After a loss strays are seen twice and the dead are cleared away at this pace, for as many sweeps. */
const SOON_MS = 2_000;
const SOON_SWEEPS = 5;

/** Sweeps every `everyMs` milliseconds, and as soon as Redis may have lost records, until it is disposed. */
export function startSweepLoop({ sweep, memory, store, holder, everyMs, log, afterSweep }: Options): AsyncDisposable {
  const stop = new AbortController();
  const { signal } = stop;

  let soon = 0;

  async function due(): Promise<void> {
    const at = performance.now() + (soon > 0 ? Math.min(SOON_MS, everyMs) : everyMs);
    soon = Math.max(0, soon - 1);
    while (!signal.aborted && performance.now() < at) {
      const leftMs = Math.max(0, at - performance.now());
      await sleep(Math.min(LOOK_MS, leftMs), undefined, { signal }).catch(() => undefined);
      if (await memory.isWhole().catch(() => true)) continue;
      soon = SOON_SWEEPS;
      return;
    }
  }

  const running = (async () => {
    while (!signal.aborted) {
      await due();
      if (signal.aborted) return;
      try {
        if ((await store.lease(LEASE, holder)) === undefined) continue;
        await sweep(signal);
        afterSweep();
      } catch (err) {
        if (!signal.aborted) log.warn({ err }, "records and provider could not be compared");
      }
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}
