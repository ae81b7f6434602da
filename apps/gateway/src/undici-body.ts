// A request's body as undici takes it, without giving the request away: undici destroys the streams it was given.
import { EventEmitter } from "node:events";
import type { IncomingMessage } from "node:http";
import { bodyMemory } from "./body-memory.ts";

/** As much of a stream as undici's writer asks for; held back and let go as the socket inside can take more. */
export class RequestBody extends EventEmitter {
  readonly #request: IncomingMessage;
  #isOpen = false;
  readonly #onData = (chunk: Buffer): void => {
    bodyMemory.moved(chunk.length);
    this.emit("data", chunk);
  };
  readonly #onEnd = (): void => void this.emit("end");

  constructor(request: IncomingMessage) {
    super();
    this.#request = request;
  }

  pause(): void {
    this.#request.pause();
  }

  /** The writer listens by now: not before is the request listened to, whose end would be missed. */
  resume(): void {
    if (!this.#isOpen) {
      this.#isOpen = true;
      if (this.#request.readableEnded) return process.nextTick(this.#onEnd);
      this.#request.on("data", this.#onData).once("end", this.#onEnd);
    }
    this.#request.resume();
  }

  /** It is this method that makes undici see a stream; nobody calls it. */
  pipe(): void {}

  /** What is left is read away, so that the client hears its answer and may ask again. */
  destroy(): void {
    this.#request.off("data", this.#onData).off("end", this.#onEnd);
    this.#request.resume();
  }
}
