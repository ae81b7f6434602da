// The answers that are streams of events (server-sent events): they end with the process, and can be ended whole.
import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

const END_MS = 200;

export class EventStreams {
  readonly #open = new Set<ServerResponse>();

  get size(): number {
    return this.#open.size;
  }

  /** An `EventSource` always says what it accepts. */
  see({ headers }: IncomingMessage, response: ServerResponse): void {
    if (headers.accept !== "text/event-stream") return;
    this.#open.add(response);
    response.once("close", () => this.#open.delete(response));
  }

  /** Ends them like streams that are over: their clients come back by themselves. An answer cut short would be an error. */
  async endAll(): Promise<void> {
    if (this.#open.size === 0) return;
    for (const response of this.#open) if (response.headersSent && !response.writableEnded) response.end();
    const late = performance.now() + END_MS;
    while (this.#open.size > 0 && performance.now() < late) await sleep(10);
  }
}
