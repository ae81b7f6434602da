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

/** Sweeps every `everyMs` milliseconds, and as soon as Redis may have lost records, until it is disposed. */
export function startSweepLoop({ sweep, memory, store, holder, everyMs, log, afterSweep }: Options): AsyncDisposable {
  const stop = new AbortController();
  const { signal } = stop;

  async function due(): Promise<void> {
    const at = performance.now() + everyMs;
    do {
      const leftMs = Math.max(0, at - performance.now());
      await sleep(Math.min(LOOK_MS, leftMs), undefined, { signal }).catch(() => undefined);
    } while (!signal.aborted && performance.now() < at && (await memory.isWhole().catch(() => true)));
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
