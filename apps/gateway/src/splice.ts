// Two sockets joined: bytes pass as they are. Nothing is made per connection but the join itself, since thousands of them idle.
import type { Socket } from "node:net";
import type { Ending } from "./ending.ts";
import { FrameBoundary } from "./hand-over/frame-boundary.ts";
import { closeWebSocket, GOING_AWAY } from "./hand-over/going-away.ts";

/** How long one half may outlive the other without a byte. */
const HALF_CLOSED_MS = 60_000;

/** A socket's place in its join; listeners are shared functions that find it here. */
const PLACE = Symbol("place in a splice");
type Place = { other: Spliced; splice: Splice; frames: FrameBoundary | undefined };
type Spliced = Socket & { [PLACE]: Place };

/**
 * Joins two sockets until both are closed. An end is passed on as an end; a death takes the other side along, and so does
 * either signal. The frames of a WebSocket towards the client are followed, so that a close frame can be put between two of them.
 */
export function splice(
  client: Socket,
  upstream: Socket,
  signals: readonly Ending[],
  isWebSocket: boolean,
  first: Buffer,
): Promise<void> {
  const frames = isWebSocket ? new FrameBoundary() : undefined;
  frames?.feed(first);
  return new Promise((resolve) => {
    const joined = new Splice(client as Spliced, upstream as Spliced, signals, resolve);
    joined.start(frames);
  });
}

class Splice {
  readonly #client: Spliced;
  readonly #upstream: Spliced;
  readonly #signals: readonly Ending[];
  readonly #done: () => void;
  #open = 2;

  constructor(client: Spliced, upstream: Spliced, signals: readonly Ending[], done: () => void) {
    this.#client = client;
    this.#upstream = upstream;
    this.#signals = signals;
    this.#done = done;
  }

  start(frames: FrameBoundary | undefined): void {
    const [client, upstream] = [this.#client, this.#upstream];
    client[PLACE] = { other: upstream, splice: this, frames: undefined };
    upstream[PLACE] = { other: client, splice: this, frames };
    for (const signal of this.#signals) signal.addEventListener("abort", this, { once: true });
    for (const socket of [client, upstream]) {
      if (socket.closed) this.closed();
      else socket.on("close", onClose);
      socket.on("error", onError).on("end", onEnd).on("drain", onDrain).on("data", onData);
    }
    for (const socket of [client, upstream]) {
      if (socket.destroyed) socket[PLACE].other.destroy();
      else if (socket.readableEnded) onEnd.call(socket);
      else socket.resume();
    }
    const aborted = this.#signals.find((signal) => signal.aborted);
    if (aborted !== undefined) this.#cut(aborted.reason);
  }

  handleEvent({ target }: { target: unknown }): void {
    this.#cut((target as Ending).reason);
  }

  closed(): void {
    if (--this.#open > 0) return;
    for (const signal of this.#signals) signal.removeEventListener("abort", this);
    this.#done();
  }

  #cut(reason: unknown): void {
    const { frames } = this.#upstream[PLACE];
    if (reason === GOING_AWAY && frames !== undefined) {
      this.#upstream.off("data", onData);
      return closeWebSocket(this.#client, this.#upstream, frames);
    }
    this.#client.destroy();
    this.#upstream.destroy();
  }
}

function onData(this: Socket, chunk: Buffer): void {
  const { other, frames } = (this as Spliced)[PLACE];
  frames?.feed(chunk);
  if (!other.write(chunk)) this.pause();
}

function onDrain(this: Socket): void {
  const { other } = (this as Spliced)[PLACE];
  if (!other.destroyed) other.resume();
}

function onEnd(this: Socket): void {
  const { other } = (this as Spliced)[PLACE];
  other.end();
  other.setTimeout(HALF_CLOSED_MS, destroyIt);
}

function destroyIt(this: Socket): void {
  this.destroy();
}

function onError(this: Socket): void {
  (this as Spliced)[PLACE].other.destroy();
}

function onClose(this: Socket): void {
  const { other, splice: joined } = (this as Spliced)[PLACE];
  if (!this.readableEnded || !other.readableEnded) other.destroy();
  joined.closed();
}
