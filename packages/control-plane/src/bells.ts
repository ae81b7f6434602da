// Wakes those who wait for something new, with no timer between: whoever wakes reads the store again.
import { setTimeout as sleep } from "node:timers/promises";

export type BellName = "tasks" | "answers" | "events" | "logs" | "access";

export class Bell {
  #count = 0;
  readonly #waiting = new Set<() => void>();

  /** Take it before reading, give it to `next`: then nothing that happens between is missed. */
  get count(): number {
    return this.#count;
  }

  ring(): void {
    this.#count += 1;
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** Waits until the bell has rung after `seen`, the signal is aborted, or `waitMs` are over. Never throws. */
  async next(seen: number, waitMs: number, signal: AbortSignal): Promise<void> {
    if (this.#count !== seen || signal.aborted || waitMs <= 0) return;
    const over = new AbortController();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    const either = AbortSignal.any([over.signal, signal]);
    const timer = sleep(waitMs, undefined, { signal: either }).catch(() => undefined);
    await Promise.race([promise, timer]);
    this.#waiting.delete(resolve);
    over.abort();
  }
}

export class Bells {
  readonly tasks = new Bell();
  readonly answers = new Bell();
  readonly events = new Bell();
  readonly logs = new Bell();
  readonly access = new Bell();
  readonly #touched = new Set<BellName>();

  /** Says that the step under way changes something of this kind. */
  touch(name: BellName): void {
    this.#touched.add(name);
  }

  ringTouched(): void {
    for (const name of this.#touched) this[name].ring();
  }

  forgetTouched(): void {
    this.#touched.clear();
  }
}
