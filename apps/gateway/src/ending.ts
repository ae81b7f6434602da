// When a connection has to end. There is one for every visit, and most are never asked: so it is a fraction of an AbortController.

type Event = { readonly target: unknown };
type Listener = ((event: Event) => void) | { handleEvent(event: Event): void };

/** What of an AbortSignal is needed to heed it; every AbortSignal is one. */
export type Ending = Pick<AbortSignal, "aborted" | "reason"> & {
  addEventListener(type: "abort", listener: Listener, options: { once: true }): void;
  removeEventListener(type: "abort", listener: Listener): void;
};

/** Ends once, for one reason, and tells each listener once. */
export class OneEnding implements Ending {
  aborted = false;
  reason: unknown = undefined;
  #listeners: Listener[] = [];

  addEventListener(_type: "abort", listener: Listener): void {
    if (!this.aborted) this.#listeners.push(listener);
  }

  removeEventListener(_type: "abort", listener: Listener): void {
    const at = this.#listeners.indexOf(listener);
    if (at !== -1) this.#listeners.splice(at, 1);
  }

  abort(reason?: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    const told = this.#listeners;
    this.#listeners = [];
    for (const listener of told) {
      if (typeof listener === "function") listener({ target: this });
      else listener.handleEvent({ target: this });
    }
  }
}
