// Guessing is slow: an address that failed too often within a minute has to wait.
import { fail } from "@gitspaces/contracts";
import type { Clock } from "@gitspaces/daemon";

const WINDOW_MS = 60_000;
const ALLOWED = 20;
const REMEMBERED = 10_000;

export class Attempts {
  readonly #clock: Clock;
  readonly #failures = new Map<string, { since: number; count: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Does `work` unless this address has failed too often. @throws {FailureError} `quota_exceeded` then. */
  guard<T>(address: string, work: () => T): T {
    const now = this.#clock.now();
    const before = this.#failures.get(address);
    const fresh = before !== undefined && now - before.since < WINDOW_MS ? before : { since: now, count: 0 };
    if (fresh.count >= ALLOWED) throw fail("quota_exceeded", "Too many attempts failed; wait a minute.");
    try {
      return work();
    } catch (error) {
      if (this.#failures.size >= REMEMBERED) this.#failures.clear();
      this.#failures.set(address, { since: fresh.since, count: fresh.count + 1 });
      throw error;
    }
  }
}
