// Upgraded connections: the handshake goes through the strict parser on both sides, then bytes are spliced as they are.
import { type ClientRequest, type IncomingMessage, request as httpRequest, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { fail } from "@gitspaces/contracts";
import type { Upstream } from "./forwarder.ts";
import { FrameBoundary } from "./hand-over/frame-boundary.ts";
import { closeWebSocket, GOING_AWAY } from "./hand-over/going-away.ts";
import { type HeaderPolicy, pairs } from "./header-policy.ts";
import { brokeOff, finalHead } from "./upstream-answer.ts";

/** What a client may send before its upgrade is answered. */
const EARLY_BYTES = 64 * 1024;
/** How long an upstream may take to answer an upgrade. */
const ANSWER_MS = 30_000;
/** How long a refused client may take to leave. */
const LAST_WORDS_MS = 5_000;
/** How long one half may outlive the other without a byte. */
const HALF_CLOSED_MS = 60_000;

/** See `Forwarder.upgrade`. A client that leaves, even by half, before the answer takes its upstream socket along. */
export async function upgradeThrough(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  upstream: Upstream,
  policy: HeaderPolicy,
  signal: AbortSignal,
): Promise<void> {
  const early = new EarlyBytes(socket, head);
  const gone = AbortSignal.any([signal, upstream.ended, early.gone]);
  let dialled: Socket | undefined;
  try {
    dialled = await upstream.dial(gone);
    const answer = await handshake(request, dialled, policy, AbortSignal.any([gone, AbortSignal.timeout(ANSWER_MS)]));
    const sent = early.take();
    if (answer.kind === "refused") return await passRefusal(request, socket, answer.response, policy, gone);
    socket.write(switchingHead(answer.response, request, policy));
    if (answer.head.length > 0) socket.write(answer.head);
    if (sent.length > 0) answer.socket.write(sent);
    const isWebSocket = request.headers.upgrade?.toLowerCase() === "websocket";
    const frames = isWebSocket ? new FrameBoundary() : undefined;
    frames?.feed(answer.head);
    await splice(socket, answer.socket, AbortSignal.any([signal, upstream.ended]), frames);
  } catch (error) {
    dialled?.destroy();
    if (early.gone.aborted || signal.aborted) socket.destroy();
    throw error;
  } finally {
    early.take();
  }
}

type Answer =
  | { kind: "switched"; response: IncomingMessage; socket: Duplex; head: Buffer }
  | { kind: "refused"; response: IncomingMessage };

function handshake(
  request: IncomingMessage,
  dialled: Socket,
  policy: HeaderPolicy,
  gone: AbortSignal,
): Promise<Answer> {
  if (gone.aborted) {
    dialled.destroy();
    throw fail("cancelled", "The upgrade was abandoned.");
  }
  return new Promise((resolve, reject) => {
    const asked: ClientRequest = httpRequest({
      createConnection: () => dialled,
      method: request.method ?? "GET",
      path: request.url ?? "/",
      setHost: false,
      headers: [
        ...policy.request(request.rawHeaders),
        "Connection",
        "Upgrade",
        "Upgrade",
        request.headers.upgrade ?? "",
      ],
    });
    const abandon = (): void => {
      dialled.destroy();
      reject(fail("timeout", "The upgrade was abandoned, or not answered in time."));
    };
    gone.addEventListener("abort", abandon, { once: true });
    const settle = (answer: Answer): void => {
      gone.removeEventListener("abort", abandon);
      resolve(answer);
    };
    asked.once("upgrade", (response, socket, head) => settle({ kind: "switched", response, socket, head }));
    asked.once("response", (response) => settle({ kind: "refused", response }));
    asked.on("error", (cause) => {
      gone.removeEventListener("abort", abandon);
      dialled.destroy();
      reject(brokeOff("The connection to the Gitspace broke before it answered.", cause));
    });
    asked.end();
  });
}

function switchingHead(response: IncomingMessage, request: IncomingMessage, policy: HeaderPolicy): string {
  const lines = [
    "HTTP/1.1 101 Switching Protocols",
    "Connection: Upgrade",
    `Upgrade: ${response.headers.upgrade ?? request.headers.upgrade ?? ""}`,
  ];
  for (const [name, value] of pairs(policy.response(response.rawHeaders))) lines.push(`${name}: ${value}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** An answer on the raw socket of an upgrade, closed at its end. */
export function answerOn(request: IncomingMessage, socket: Duplex): ServerResponse {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket as Socket);
  response.on("finish", () => {
    // Read on, so that the other side's leaving is seen, and do not wait for it for ever.
    socket.end();
    socket.resume();
    (socket as Socket).setTimeout(LAST_WORDS_MS, () => socket.destroy());
  });
  return response;
}

async function passRefusal(
  request: IncomingMessage,
  socket: Duplex,
  refusal: IncomingMessage,
  policy: HeaderPolicy,
  gone: AbortSignal,
): Promise<void> {
  const { status, reason } = finalHead(refusal);
  const response = answerOn(request, socket);
  response.writeHead(status, reason, policy.response(refusal.rawHeaders));
  const stop = (): void => {
    refusal.destroy();
    socket.destroy();
  };
  gone.addEventListener("abort", stop, { once: true });
  refusal.on("error", stop);
  socket.on("error", stop);
  socket.on("close", () => refusal.destroy());
  // Nobody reads what the client goes on sending; without a reader its leaving would not be seen.
  socket.resume();
  refusal.pipe(response);
  await closed(refusal);
  gone.removeEventListener("abort", stop);
}

/** Holds what the client sends before it is answered, and sees it leave. */
class EarlyBytes {
  readonly #socket: Duplex;
  readonly #left = new AbortController();
  #chunks: Buffer[];
  #length: number;
  readonly #onData = (chunk: Buffer): void => {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    if (this.#length > EARLY_BYTES) this.#socket.pause();
  };
  readonly #onGone = (): void => this.#left.abort();

  constructor(socket: Duplex, head: Buffer) {
    this.#socket = socket;
    this.#chunks = head.length > 0 ? [head] : [];
    this.#length = head.length;
    socket.on("data", this.#onData);
    for (const event of ["end", "close", "error"]) socket.on(event, this.#onGone);
    if (socket.destroyed) this.#left.abort();
  }

  get gone(): AbortSignal {
    return this.#left.signal;
  }

  /** What was held; from now on the socket is the taker's. */
  take(): Buffer {
    this.#socket.off("data", this.#onData);
    for (const event of ["end", "close"]) this.#socket.off(event, this.#onGone);
    if (this.#chunks.length > 0 || this.#length > 0) this.#socket.pause();
    const held = Buffer.concat(this.#chunks);
    this.#chunks = [];
    return held;
  }
}

/** `frames` of the direction to the client are followed, so that a close frame can be put between two of them. */
async function splice(client: Duplex, upstream: Duplex, signal: AbortSignal, frames?: FrameBoundary): Promise<void> {
  const follow = (chunk: Buffer): void => frames?.feed(chunk);
  if (frames !== undefined) upstream.on("data", follow);
  const cut = (): void => {
    if (signal.reason === GOING_AWAY && frames !== undefined) {
      upstream.off("data", follow);
      return closeWebSocket(client, upstream, frames);
    }
    client.destroy();
    upstream.destroy();
  };
  if (signal.aborted) cut();
  signal.addEventListener("abort", cut, { once: true });
  join(client, upstream);
  join(upstream, client);
  await Promise.all([closed(client), closed(upstream)]);
  signal.removeEventListener("abort", cut);
}

/** One direction. An end is passed on as an end; a death takes the other side along. */
function join(from: Duplex, to: Duplex): void {
  from.on("error", () => to.destroy());
  from.on("end", () => (to as Socket).setTimeout(HALF_CLOSED_MS, () => to.destroy()));
  from.on("close", () => {
    if (!from.readableEnded || !to.readableEnded) to.destroy();
  });
  from.pipe(to);
}

function closed(stream: Duplex | IncomingMessage): Promise<void> {
  if (stream.closed) return Promise.resolve();
  return new Promise((resolve) => stream.once("close", () => resolve()));
}
