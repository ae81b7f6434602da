// Who is next, while more than one Gitspace is busy: each begins a few requests per turn of the event loop, whoever asks more waits.

/** How many requests of one Gitspace may begin in a turn. */
const PER_TURN = 4;
/** For how long a Gitspace that was asked counts as one that the others have to share with. */
const SHARED_MS = 1_000;

export class Turns {
  /** How many of a key have begun in this turn. */
  readonly #begun = new Map<string, number>();
  readonly #waiting = new Map<string, (() => void)[]>();
  #last = "";
  #sharedUntil = 0;
  #isTurning = false;

  /** Nothing when it is the turn of `key` at once; otherwise resolves when it is. `now` is in milliseconds. */
  next(key: string, now: number): Promise<void> | undefined {
    if (key !== this.#last) {
      this.#last = key;
      this.#sharedUntil = now + SHARED_MS;
    }
    // Alone there is nobody to be fair to.
    if (now >= this.#sharedUntil && this.#waiting.size === 0) return undefined;
    const queue = this.#waiting.get(key);
    const begun = this.#begun.get(key) ?? 0;
    this.#turn();
    if (queue === undefined && begun < PER_TURN) {
      this.#begun.set(key, begun + 1);
      return undefined;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    if (queue === undefined) this.#waiting.set(key, [resolve]);
    else queue.push(resolve);
    return promise;
  }

  #turn(): void {
    if (this.#isTurning) return;
    this.#isTurning = true;
    setImmediate(() => {
      this.#isTurning = false;
      this.#begun.clear();
      for (const [key, queue] of this.#waiting) {
        const released = queue.splice(0, PER_TURN);
        if (queue.length === 0) this.#waiting.delete(key);
        this.#begun.set(key, released.length);
        for (const begin of released) begin();
      }
      if (this.#begun.size > 0) this.#turn();
    });
  }
}
