// Wakes those who wait for something new, with no timer between: whoever wakes reads the store again.
export type BellName = "tasks" | "answers" | "events" | "logs" | "access";

const LONGEST_TIMER_MS = 2 ** 31 - 1;

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
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = () => resolve();
    const timer = setTimeout(wake, Math.min(waitMs, LONGEST_TIMER_MS));
    this.#waiting.add(wake);
    signal.addEventListener("abort", wake, { once: true });
    await promise;
    clearTimeout(timer);
    this.#waiting.delete(wake);
    signal.removeEventListener("abort", wake);
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
