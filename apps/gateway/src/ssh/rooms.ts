// How many may be here at the same time, by a name: an address, or a Gitspace.
import { fail } from "@gitspaces/contracts";

export class Rooms {
  readonly #taken = new Map<string, number>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  /** A place until it is disposed. @throws {FailureError} `no_capacity` when all are taken. */
  take(name: string): Disposable {
    const before = this.#taken.get(name) ?? 0;
    if (before >= this.#most)
      throw fail("no_capacity", `There are ${before} SSH connections already. Close some, or come again later.`);
    this.#taken.set(name, before + 1);
    let isOver = false;
    return {
      [Symbol.dispose]: () => {
        if (isOver) return;
        isOver = true;
        const left = (this.#taken.get(name) ?? 0) - 1;
        if (left > 0) this.#taken.set(name, left);
        else this.#taken.delete(name);
      },
    };
  }
}
