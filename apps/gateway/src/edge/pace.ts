// Requests per second, by key: who is too fast waits for their turn, so that a page with many parts loads and a flood costs little.

/** How many seconds' worth may come at once. */
const BURST_SECONDS = 2;
/** Keys are looked through when there are this many more than at the last look. */
const MANY = 10_000;

/** The generic cell rate algorithm (ITU-T I.371): per key nothing is kept but when its next request would be due. */
export class Pace {
  readonly #everyMs: number;
  readonly #longestMs: number;
  readonly #due = new Map<string, number>();
  #lookAt = MANY;

  /** `perSecond` 0 is no pace at all; nobody waits longer than `longestMs`. */
  constructor(perSecond: number, longestMs: number) {
    this.#everyMs = perSecond === 0 ? 0 : 1_000 / perSecond;
    this.#longestMs = longestMs;
  }

  /** How many milliseconds from `now` until the turn of one more request of `key`; nothing when it has none. */
  next(key: string, now: number): number | undefined {
    if (this.#everyMs === 0) return 0;
    const due = Math.max(this.#due.get(key) ?? 0, now) + this.#everyMs;
    const waitMs = Math.max(0, due - now - BURST_SECONDS * 1_000);
    if (waitMs > this.#longestMs) return undefined;
    this.#due.set(key, due);
    if (this.#due.size > this.#lookAt) this.#forget(now);
    return waitMs;
  }

  get size(): number {
    return this.#due.size;
  }

  #forget(now: number): void {
    for (const [key, due] of this.#due) if (due <= now) this.#due.delete(key);
    this.#lookAt = this.#due.size + MANY;
  }
}
