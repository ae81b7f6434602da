// Carries an SSH connection over a WebSocket: what ssh writes goes out as it comes, what comes is written as ssh reads it.
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { LookupFunction } from "node:net";
import type { Duplex } from "node:stream";
import { json } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { connect as tlsConnect } from "node:tls";
import { fail, Problem } from "@gitspaces/contracts";
import { websocketBytes } from "@gitspaces/contracts/websocket-bytes";
import { type ClientOptions, WebSocket } from "ws";
import { lookup } from "../http.ts";
import { connectThrough, proxyFor } from "./http-proxy.ts";

const HANDSHAKE_MS = 20_000;

type Ends = { input: NodeJS.ReadableStream; output: NodeJS.WritableStream };

/** Resolves once the far side has said everything and it is written. @throws {FailureError} `denied` or `internal` with the cause. */
export async function carry(
  url: URL,
  { input, output }: Ends,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<void> {
  const bytes = await open(url, env, signal);
  const stop = (): void => void bytes.destroy();
  signal.addEventListener("abort", stop, { once: true });
  // The far side may be done before ssh has closed its end; nobody waits for more input then.
  const upwards = pipeline(input, bytes, { end: true }).catch(() => undefined);
  try {
    await pipeline(bytes, output, { end: false });
  } catch (cause) {
    if (!signal.aborted)
      throw fail("internal", `The connection to ${url.host} broke: ${(cause as Error).message}`, { cause });
  } finally {
    signal.removeEventListener("abort", stop);
    bytes.destroy();
    await upwards;
  }
}

async function open(url: URL, env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<Duplex> {
  const late = AbortSignal.timeout(HANDSHAKE_MS);
  // Handed on to the request, though its type does not say so.
  const options: ClientOptions & { lookup: LookupFunction } = {
    perMessageDeflate: false,
    handshakeTimeout: HANDSHAKE_MS,
    lookup,
  };
  const proxy = proxyFor(url, env);
  if (proxy !== undefined) {
    const through = await connectThrough(proxy, url, AbortSignal.any([signal, late])).catch((cause: Error) => {
      throw cause.name === "FailureError" ? cause : unreachable(`the proxy ${proxy.host}`, cause);
    });
    options.createConnection = () =>
      (url.protocol === "wss:" ? tlsConnect({ socket: through, servername: url.hostname }) : through) as never;
  }
  const socket = new WebSocket(url, options);
  const refused = once(socket, "unexpected-response", { signal: late }).then(async ([, response]) => {
    throw await refusal(url, response as IncomingMessage);
  });
  refused.catch(() => undefined);
  const opened = Promise.withResolvers<Duplex>();
  opened.promise.catch(() => undefined);
  // The far side may speak first, and together with its handshake: it is listened to from the very moment.
  socket.once("open", () => opened.resolve(websocketBytes(socket)));
  socket.once("error", (cause) => opened.reject(unreachable(url.host, cause)));
  const stop = (): void => opened.reject(unreachable(url.host, new Error("no answer in time")));
  const until = AbortSignal.any([signal, late]);
  until.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([opened.promise, refused]);
  } catch (error) {
    socket.on("error", () => undefined);
    socket.terminate();
    throw error;
  } finally {
    until.removeEventListener("abort", stop);
  }
}

async function refusal(url: URL, response: IncomingMessage): Promise<Error> {
  const body = Problem.safeParse(await json(response).catch(() => undefined));
  const reason = body.success
    ? body.data.detail
    : `it answered ${response.statusCode}, as no gateway of Gitspaces does`;
  return fail("denied", `${url.host} takes no SSH connection: ${reason}`);
}

function unreachable(place: string, cause: Error & { code?: string }): Error {
  return fail("internal", `${place} cannot be reached: ${cause.code ?? cause.message}`, { cause });
}
