// How often something may be asked for: a handful at once, then one by one.

export class Allowance {
  readonly #most: number;
  readonly #everyMs: number;
  readonly #now: () => number;
  #left: number;
  #at: number;

  /** `most` at once, and one more each `everyMs`. `now`: milliseconds of a clock that only goes forward. */
  constructor(most: number, everyMs: number, now: () => number = () => performance.now()) {
    this.#most = most;
    this.#everyMs = everyMs;
    this.#now = now;
    this.#left = most;
    this.#at = now();
  }

  /** Takes one; false when there is none. */
  take(): boolean {
    const now = this.#now();
    this.#left = Math.min(this.#most, this.#left + (now - this.#at) / this.#everyMs);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}
