// The server that browsers connect to: HTTP/1.1 only, by Node's strict parser, over TLS where there is a certificate.
import { createServer, type Server, type ServerOptions } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Socket } from "node:net";
import { refusalOf, refuseOn, type Refusal } from "./refusal.ts";
import { countLimit } from "./limit-hit.ts";
import type { LimitsConfig } from "./config.ts";
import type { FrontTls } from "./front-tls.ts";

/** How often Node looks for heads that are late: its own half minute would let a limit of seconds come too late. */
const LOOK_MS = 1_000;

type Front = { tls: FrontTls | undefined; limits: LimitsConfig };

/** A server that does not listen yet. Requests and upgrades are the caller's. */
export function makeFrontServer({ tls, limits }: Front): Server {
  const options: ServerOptions = {
    insecureHTTPParser: false,
    maxHeaderSize: limits.limitHeadBytes,
    headersTimeout: limits.limitHeadSeconds * 1_000,
    requestTimeout: 0,
    connectionsCheckingInterval: LOOK_MS,
    keepAliveTimeout: limits.limitKeepAliveSeconds * 1_000,
    keepAlive: true,
    keepAliveInitialDelay: 30_000,
    noDelay: true,
    highWaterMark: 128 * 1024,
    shouldUpgradeCallback: ({ headers }) => !isHttp2(headers.upgrade),
  };
  const server = tls === undefined ? createServer(options) : secured(options, tls);
  server.on("clientError", tellClient);
  return server;
}

/**
 * Whether an upgrade leads to HTTP/2 (RFC 9113 section 3.1 gave it up). Behind it a client would ask a server inside for whatever it
 * likes, judged by nobody; an upgrade may be left out, so the request is answered as it is.
 */
function isHttp2(upgrade: string | undefined): boolean {
  return upgrade?.split(",").some((protocol) => /^\s*h2/i.test(protocol)) === true;
}

function secured(options: ServerOptions, tls: FrontTls): Server {
  // A tunnel's client may end its half and go on reading, as it can without TLS.
  const server = createTlsServer({ ...options, ...tls.options, allowHalfOpen: true });
  tls.onRenewed((shown) => server.setSecureContext(shown));
  return server;
}

/** The event on which a socket that requests come by is there: after the handshake, where there is one. */
export function arrivalEvent({ tls }: Pick<Front, "tls">): "connection" | "secureConnection" {
  return tls === undefined ? "connection" : "secureConnection";
}

/** What could not be read as a request is answered by its kind, and its connection closed. */
function tellClient(error: NodeJS.ErrnoException, stream: unknown): void {
  const socket = stream as Socket;
  // An answer that has begun is not ours to go on with.
  if (error.code === "ECONNRESET" || !socket.writable || (socket.bytesWritten > 0 && isAnswering(socket))) {
    socket.destroy();
    return;
  }
  refuseOn(socket, refusalFor(error.code));
}

function refusalFor(code: string | undefined): Refusal {
  if (code === "HPE_HEADER_OVERFLOW") {
    countLimit("limitHeadBytes");
    return refusalOf("limitHeadBytes");
  }
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") {
    countLimit("limitHeadSeconds");
    return refusalOf("limitHeadSeconds");
  }
  return { status: 400, detail: "The request can not be read as HTTP/1.1." };
}

function isAnswering(socket: Socket): boolean {
  const { _httpMessage: message } = socket as Socket & { _httpMessage?: { headersSent: boolean } | null };
  return message?.headersSent === true;
}
