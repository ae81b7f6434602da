// Runs the sweep now and then; one runner at a time, by lease.
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "@gitspaces/daemon";
import type { VmStore } from "./vm-store.ts";

/** No pool can have this name. */
const LEASE = "-sweep";

type Options = {
  sweep: (signal: AbortSignal) => Promise<void>;
  store: VmStore;
  holder: string;
  everyMs: number;
  log: Logger;
  afterSweep: () => void;
};

/** Sweeps every `everyMs` milliseconds until it is disposed. */
export function startSweepLoop({ sweep, store, holder, everyMs, log, afterSweep }: Options): AsyncDisposable {
  const stop = new AbortController();
  const { signal } = stop;
  const running = (async () => {
    while (!signal.aborted) {
      await sleep(everyMs, undefined, { signal }).catch(() => undefined);
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
