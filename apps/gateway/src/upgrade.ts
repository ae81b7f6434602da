// Upgraded connections: the handshake goes through the strict parser on both sides, then bytes are spliced as they are.
import { type ClientRequest, type IncomingMessage, request as httpRequest, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { fail } from "@gitspaces/contracts";
import { EarlyBytes } from "./early-bytes.ts";
import type { Ending } from "./ending.ts";
import type { Tunnel, Upstream } from "./forwarder.ts";
import { type HeaderPolicy, pairs } from "./header-policy.ts";
import { splice } from "./splice.ts";
import { brokeOff, finalHead } from "./upstream-answer.ts";

/** How long an upstream may take to answer an upgrade. */
const ANSWER_MS = 30_000;
/** How long a refused client may take to leave. */
const LAST_WORDS_MS = 5_000;

/** See `Forwarder.upgrade`. A client that leaves, even by half, before the answer takes its upstream socket along. */
export function upgradeThrough(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  upstream: Upstream,
  policy: HeaderPolicy,
  signal: Ending,
): Promise<Tunnel | undefined> {
  // What only the handshake needs is let go with it: connections idle for days.
  return greet(request, socket, head, upstream, policy, signal).then((greeted) => {
    if (greeted === undefined) return undefined;
    const { inside, isWebSocket, first } = greeted;
    return { over: splice(socket as Socket, inside, [signal, upstream.ended], isWebSocket, first) };
  });
}

type Greeted = { inside: Socket; isWebSocket: boolean; first: Buffer };

/** The handshake. Gives the socket to splice with, or nothing when the upgrade was refused and that was told. */
async function greet(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  upstream: Upstream,
  policy: HeaderPolicy,
  signal: Ending,
): Promise<Greeted | undefined> {
  const gone = new AbortController();
  const leave = (): void => gone.abort();
  const early = new EarlyBytes(socket, head, leave);
  const ends: Ending[] = [signal, upstream.ended];
  for (const each of ends) {
    each.addEventListener("abort", leave, { once: true });
    if (each.aborted) leave();
  }
  let timer: NodeJS.Timeout | undefined;
  let dialled: Socket | undefined;
  try {
    dialled = await upstream.dial(gone.signal);
    timer = setTimeout(leave, ANSWER_MS);
    const answer = await handshake(request, dialled, policy, gone.signal);
    clearTimeout(timer);
    const sent = early.take();
    if (answer.kind === "refused") {
      await passRefusal(request, socket, answer.response, policy, gone.signal);
      return undefined;
    }
    socket.cork();
    socket.write(switchingHead(answer.response, request, policy), "latin1");
    if (answer.head.length > 0) socket.write(answer.head);
    socket.uncork();
    if (sent.length > 0) answer.socket.write(sent);
    const isWebSocket = request.headers.upgrade?.toLowerCase() === "websocket";
    return { inside: answer.socket as Socket, isWebSocket, first: answer.head };
  } catch (error) {
    dialled?.destroy();
    if (early.hasLeft || signal.aborted) socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
    for (const each of ends) each.removeEventListener("abort", leave);
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

function closed(stream: Duplex | IncomingMessage): Promise<void> {
  if (stream.closed) return Promise.resolve();
  return new Promise((resolve) => stream.once("close", () => resolve()));
}
