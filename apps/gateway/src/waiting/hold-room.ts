// How many may be held at the same time, for one Gitspace and in all: a held request costs a socket, so there is an end to it.

export type HoldLimits = {
  /** For how long one is held, milliseconds. */
  holdMs: number;
  perGitspace: number;
  inAll: number;
};

export class HoldRoom {
  readonly #limits: HoldLimits;
  readonly #held = new Map<string, number>();
  #inAll = 0;

  constructor(limits: HoldLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#inAll;
  }

  /** Takes a place until disposed; nothing when there is none. */
  take(gitspaceId: string): Disposable | undefined {
    const held = this.#held.get(gitspaceId) ?? 0;
    if (held >= this.#limits.perGitspace || this.#inAll >= this.#limits.inAll) return undefined;
    this.#held.set(gitspaceId, held + 1);
    this.#inAll++;
    return { [Symbol.dispose]: () => this.#give(gitspaceId) };
  }

  #give(gitspaceId: string): void {
    const held = (this.#held.get(gitspaceId) ?? 1) - 1;
    if (held === 0) this.#held.delete(gitspaceId);
    else this.#held.set(gitspaceId, held);
    this.#inAll--;
  }
}
