// How many at the same time, by key.
export class Places {
  readonly #limit: number;
  readonly #taken = new Map<string, number>();

  /** A limit of 0 is none. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Takes a place, unless all are taken. */
  take(key: string): boolean {
    const taken = this.#taken.get(key) ?? 0;
    if (this.#limit !== 0 && taken >= this.#limit) return false;
    this.#taken.set(key, taken + 1);
    return true;
  }

  leave(key: string): void {
    const taken = (this.#taken.get(key) ?? 1) - 1;
    if (taken === 0) this.#taken.delete(key);
    else this.#taken.set(key, taken);
  }

  /** The keys with a place taken. */
  get size(): number {
    return this.#taken.size;
  }
}
