// What a client sends before its upgrade is answered: held for the server inside, within a bound, and its leaving is seen.
import type { Duplex } from "node:stream";

const EARLY_BYTES = 64 * 1024;
const gone = ["end", "close", "error"];
const nothing = Buffer.alloc(0);

export class EarlyBytes {
  readonly #socket: Duplex;
  readonly #leave: () => void;
  #chunks: Buffer[];
  #length: number;
  hasLeft = false;
  readonly #onData = (chunk: Buffer): void => {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    if (this.#length > EARLY_BYTES) this.#socket.pause();
  };
  readonly #onGone = (): void => {
    this.hasLeft = true;
    this.#leave();
  };

  constructor(socket: Duplex, head: Buffer, leave: () => void) {
    this.#socket = socket;
    this.#leave = leave;
    this.#chunks = head.length > 0 ? [head] : [];
    this.#length = head.length;
    socket.on("data", this.#onData);
    for (const event of gone) socket.on(event, this.#onGone);
    if (socket.destroyed) this.#onGone();
  }

  /** What was held; from now on the socket is the taker's. */
  take(): Buffer {
    this.#socket.off("data", this.#onData);
    for (const event of gone) this.#socket.off(event, this.#onGone);
    if (this.#length > 0) this.#socket.pause();
    const held = this.#chunks.length === 0 ? nothing : Buffer.concat(this.#chunks);
    this.#chunks = [];
    // Taken a second time it is the taker's, and not to be paused again.
    this.#length = 0;
    return held;
  }
}
