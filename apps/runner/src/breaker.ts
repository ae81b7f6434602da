// Pauses a pool whose VMs keep failing, longer each time, and says why.
import type { Clock } from "@gitspaces/daemon";

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
/** One VM that fails is bad luck; the pool is in trouble when they fail one after the other. */
const TROUBLE_FROM = 2;

export type Breaker = ReturnType<typeof breaker>;

/** A breaker that lets everything through until something fails. */
export function breaker(clock: Clock) {
  let failures = 0;
  let until = 0;
  let reason = "";
  return {
    failed(why: string): void {
      failures++;
      until = clock.now() + Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures - 1));
      reason = why;
    },
    succeeded(): void {
      failures = 0;
      until = 0;
    },
    /** Milliseconds until the next try. */
    pauseMs: () => Math.max(0, until - clock.now()),
    /** Why the pool is in trouble, or nothing. */
    trouble: (): string | undefined =>
      failures >= TROUBLE_FROM ? `${failures} VMs in a row did not come up: ${reason}` : undefined,
  };
}
