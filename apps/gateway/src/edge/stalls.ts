// Clients that hold a connection without moving: a body that does not come, an answer that is not read.
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { LimitName, LimitsConfig } from "./config.ts";
import { countLimit } from "./limit-hit.ts";

const LOOK_MS = 1_000;

type Limits = Pick<LimitsConfig, "limitBodyBytes" | "limitBodyPauseSeconds" | "limitUnreadSeconds">;
/** `moved` is how far it had come at `since`. */
type Mark = { moved: number; since: number };
type Body = { mark: Mark; from: number; end: (limit: LimitName) => void };

export class Stalls implements Disposable {
  readonly #limits: Limits;
  readonly #bodies = new Map<IncomingMessage, Body>();
  readonly #connections = new Map<Socket, Mark>();
  readonly #timer: NodeJS.Timeout;

  constructor(limits: Limits) {
    this.#limits = limits;
    this.#timer = setInterval(() => this.look(performance.now()), LOOK_MS);
    this.#timer.unref();
  }

  /** Watches what a client reads. */
  watchConnection(socket: Socket): void {
    if (this.#limits.limitUnreadSeconds === 0) return;
    this.#connections.set(socket, { moved: 0, since: performance.now() });
    socket.once("close", () => this.#connections.delete(socket));
  }

  /** Watches a request's body until it is there; `end` is called once, with the limit it met. */
  watchBody(request: IncomingMessage, end: (limit: LimitName) => void): void {
    const from = request.socket.bytesRead;
    this.#bodies.set(request, { mark: { moved: from, since: performance.now() }, from, end });
    request.once("close", () => this.#bodies.delete(request));
  }

  /** Ends what stands still at `now`. */
  look(now: number): void {
    for (const [request, body] of this.#bodies) {
      const limit = this.#limitOf(request, body, now);
      if (limit === undefined) continue;
      this.#bodies.delete(request);
      countLimit(limit);
      body.end(limit);
    }
    for (const [socket, mark] of this.#connections) {
      if (socket.writableLength === 0) mark.since = now;
      const read = socket.bytesWritten - socket.writableLength;
      if (!stands(mark, read, now, this.#limits.limitUnreadSeconds)) continue;
      this.#connections.delete(socket);
      countLimit("limitUnreadSeconds");
      socket.destroy();
    }
  }

  #limitOf(request: IncomingMessage, { mark, from }: Body, now: number): LimitName | undefined {
    if (request.complete) return undefined;
    const { limitBodyBytes, limitBodyPauseSeconds } = this.#limits;
    const { bytesRead } = request.socket;
    if (limitBodyBytes !== 0 && bytesRead - from > limitBodyBytes) return "limitBodyBytes";
    // What came and was not taken yet is held back by the Gitspace, not by the client.
    if (request.readableLength > 0 || request.isPaused()) mark.since = now;
    return stands(mark, bytesRead, now, limitBodyPauseSeconds) ? "limitBodyPauseSeconds" : undefined;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/** Whether it has stood at the same place for `seconds`; where it moved, the mark is set anew. */
function stands(mark: Mark, moved: number, now: number, seconds: number): boolean {
  if (moved === mark.moved) return seconds !== 0 && now - mark.since >= seconds * 1_000;
  mark.moved = moved;
  mark.since = now;
  return false;
}
