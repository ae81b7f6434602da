// What is turned away before it is a visit: connections too many, hosts that were not greeted, http where https is due.
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { clientOf } from "./client-of.ts";
import { arrivalEvent } from "./front-server.ts";
import type { Edge } from "./edge.ts";
import { countLimit } from "./limit-hit.ts";
import { Places } from "./places.ts";
import { type Refusal, refusalOf, refuse } from "./refusal.ts";
import { isMisdirected, redirectForGood, secureTwin } from "./transport.ts";

/** How long a connection that is one too many may stay for its answer. */
const LAST_WORDS_MS = 2_000;

export type Gate = {
  /** Answers a request that shall not be a visit, and says so. */
  turnsAway(request: IncomingMessage, response: () => ServerResponse): boolean;
  /** Ends a request whose body grows too long or stops coming. */
  watchBody(request: IncomingMessage, response: ServerResponse): void;
};

/** Watches the connections of a server. */
export function keepGate(server: Server, edge: Edge): Gate {
  const { arrivals, limits, stalls } = edge;
  const places = new Places(limits.limitConnectionsPerAddress);
  /** By their far end: over TLS a request has another socket than the connection that came. */
  const tooMany = new Set<string>();

  server.on("connection", (socket: Socket) => {
    const { remoteAddress: address = "" } = socket;
    // All clients of a balancer come from its one address.
    if (arrivals.isTrusted(address)) return;
    const client = clientOf(address);
    if (places.take(client)) {
      socket.once("close", () => places.leave(client));
      return;
    }
    countLimit("limitConnectionsPerAddress");
    const end = farEnd(socket);
    tooMany.add(end);
    const timer = setTimeout(() => socket.destroy(), LAST_WORDS_MS);
    socket.once("close", () => {
      clearTimeout(timer);
      tooMany.delete(end);
    });
  });
  server.on(arrivalEvent(edge), (socket: Socket) => stalls.watchConnection(socket));

  function objection(request: IncomingMessage): Refusal | undefined {
    if (tooMany.size > 0 && tooMany.has(farEnd(request.socket))) return refusalOf("limitConnectionsPerAddress");
    const length = Number(request.headers["content-length"] ?? 0);
    if (limits.limitBodyBytes !== 0 && length > limits.limitBodyBytes) {
      countLimit("limitBodyBytes");
      return refusalOf("limitBodyBytes");
    }
    // A proxy of ours may greet us by any name.
    if (isMisdirected(request) && !arrivals.isTrusted(request.socket.remoteAddress)) return misdirected;
    return undefined;
  }

  /** Where a request goes that a proxy of ours took by http. */
  function detour(request: IncomingMessage): string | undefined {
    const isHttps = edge.publicUrl.startsWith("https:");
    return isHttps && arrivals.of(request).scheme === "http" ? secureTwin(request, edge) : undefined;
  }

  return {
    turnsAway(request, response) {
      const refusal = objection(request);
      const location = refusal === undefined ? detour(request) : undefined;
      if (refusal !== undefined) refuse(request, response(), refusal);
      else if (location !== undefined) redirectForGood(response(), location);
      else return false;
      return true;
    },
    watchBody(request, response) {
      const { headers } = request;
      if (headers["transfer-encoding"] === undefined && Number(headers["content-length"] ?? 0) === 0) return;
      stalls.watchBody(request, (limit) => {
        response.once("finish", () => request.socket.destroySoon());
        if (response.headersSent) request.socket.destroy();
        else refuse(request, response, refusalOf(limit));
      });
    },
  };
}

const misdirected: Refusal = {
  status: 421,
  detail: "The host that was greeted in the TLS handshake is not the one that is asked.",
};

function farEnd({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
