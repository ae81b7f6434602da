// A WebSocket that carries SSH, as a stream of bytes with backpressure both ways. An empty binary message ends the sender's half, as FIN does in TCP:
// a WebSocket's own close frame ends both, and what the other side was about to say would be lost.
import type { EventEmitter } from "node:events";
import { Duplex } from "node:stream";

const HIGH_WATER_BYTES = 256 * 1024;
/** How long the other side may take to answer a close. */
const CLOSE_MS = 1_000;
/** A load balancer drops what is silent for a minute. */
const PING_MS = 25_000;
const NORMAL = 1_000;
/** Closes that are no failure: done, going away, and one without a code. */
const cleanCodes = new Set([NORMAL, 1_001, 1_005]);
const ONLY_BINARY = 1_003;
const FAILED = 1_011;

/** What is needed of a WebSocket; one of the library `ws` has it. */
type Socket = EventEmitter & {
  readonly readyState: number;
  readonly CLOSED: number;
  readonly isPaused: boolean;
  pause(): void;
  resume(): void;
  ping(): void;
  terminate(): void;
  close(code?: number, reason?: string): void;
  send(data: Buffer, options: { binary: boolean }, done: (error?: Error | null) => void): void;
};

/** The bytes of an open WebSocket. Destroying the stream closes it, at once or within a second. */
export function websocketBytes(socket: Socket): Duplex {
  let hasAnswered = true;
  let hasEnded = false;
  const stream = new Duplex({
    highWaterMark: HIGH_WATER_BYTES,
    read: () => socket.resume(),
    write(chunk: Buffer, _encoding, done) {
      if (chunk.length === 0) done();
      else socket.send(chunk, { binary: true }, done);
    },
    final: (done) => socket.send(Buffer.alloc(0), { binary: true }, done),
    destroy(error, done) {
      clearInterval(pinging);
      const late = setTimeout(() => socket.terminate(), CLOSE_MS);
      socket.once("close", () => clearTimeout(late));
      if (socket.readyState === socket.CLOSED) clearTimeout(late);
      // The answer to the close is read only by one that reads.
      socket.resume();
      socket.close(error === null ? NORMAL : FAILED);
      done(error);
    },
  });
  const end = (): void => {
    if (!hasEnded) stream.push(null);
    hasEnded = true;
  };
  const pinging = setInterval(() => {
    // While nobody reads what came, no answer can be seen either.
    if (!hasAnswered && !socket.isPaused) stream.destroy(new Error("The WebSocket does not answer."));
    else socket.ping();
    hasAnswered = false;
  }, PING_MS);
  pinging.unref();
  socket.on("pong", () => (hasAnswered = true));
  socket.on("message", (data: Buffer, isBinary: boolean) => {
    hasAnswered = true;
    if (!isBinary) return socket.close(ONLY_BINARY, "Only binary messages are understood here.");
    if (data.length === 0) return end();
    if (!hasEnded && !stream.push(data)) socket.pause();
  });
  socket.once("error", (error: Error) => stream.destroy(error));
  socket.once("close", (code: number) => {
    clearInterval(pinging);
    if (stream.destroyed) return;
    if (!cleanCodes.has(code)) {
      stream.destroy(new Error(`The WebSocket was closed with ${code}.`));
      return;
    }
    // What has come is still read.
    if (stream.readableEnded) stream.destroy();
    else stream.once("end", () => stream.destroy());
    end();
  });
  return stream;
}
