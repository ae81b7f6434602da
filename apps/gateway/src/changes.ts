// Lets somebody wait until something about one Gitspace changes.

export class Changes {
  readonly #waiting = new Map<string, Set<() => void>>();

  /** Wakes those who wait for this Gitspace, or everybody. */
  tell(gitspaceId?: string): void {
    const groups =
      gitspaceId === undefined ? [...this.#waiting.values()] : [this.#waiting.get(gitspaceId) ?? new Set<() => void>()];
    for (const group of groups) for (const wake of Array.from(group)) wake();
  }

  /** Resolves at the next change, or when the signal aborts. */
  next(gitspaceId: string, signal: AbortSignal): Promise<void> {
    const group = this.#waiting.get(gitspaceId) ?? new Set();
    this.#waiting.set(gitspaceId, group);
    return new Promise((resolve) => {
      const wake = (): void => {
        signal.removeEventListener("abort", wake);
        group.delete(wake);
        if (group.size === 0) this.#waiting.delete(gitspaceId);
        resolve();
      };
      group.add(wake);
      if (signal.aborted) wake();
      else signal.addEventListener("abort", wake, { once: true });
    });
  }
}
