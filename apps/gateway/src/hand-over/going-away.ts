// Why a connection ends when this process goes: its other end hears that it may come back at once.
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { FrameBoundary } from "./frame-boundary.ts";

/** The reason of an abort that is nobody's fault. Who can say goodbye in its protocol does, within `LAST_WORDS_MS`. */
export const GOING_AWAY: unique symbol = Symbol("this process goes away");
export const LAST_WORDS_MS = 1_500;
/** A close frame with the status 1012, service restart (IANA's registry of RFC 6455), unmasked as a server's are. */
const RESTART = Buffer.from([0x88, 0x02, 1_012 >> 8, 1_012 & 0xff]);

/**
 * Closes a spliced WebSocket: the frame under way is finished, then a close frame follows. The client's own reaches the server
 * inside, which learns so why it ended; whoever takes longer than `LAST_WORDS_MS` is cut off.
 */
export function closeWebSocket(client: Duplex, upstream: Duplex, frames: FrameBoundary): void {
  upstream.unpipe(client);
  const cut = setTimeout(() => {
    client.destroy();
    upstream.destroy();
  }, LAST_WORDS_MS);
  client.once("close", () => clearTimeout(cut));
  const goodbye = (): void => {
    upstream.off("data", finish);
    // Read away, so that the end of the server inside is seen.
    upstream.resume();
    client.write(RESTART);
    client.once("end", () => client.end());
    upstream.once("end", () => (client as Socket).end());
  };
  const finish = (chunk: Buffer): void => {
    const rest = frames.finish(chunk);
    client.write(chunk.subarray(0, rest));
    if (frames.isHere) goodbye();
  };
  if (frames.isHere) return goodbye();
  upstream.on("data", finish);
  upstream.resume();
}
