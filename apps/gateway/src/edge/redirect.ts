// The listener for browsers that come by http where https is due: a redirect to the same place, and nothing else.
import { createServer, type Server } from "node:http";
import type { Edge } from "./edge.ts";
import { refuse } from "./refusal.ts";
import { redirectForGood, secureTwin } from "./transport.ts";

const HEAD_BYTES = 16 * 1024;
const IDLE_MS = 5_000;

/** A server that does not listen yet. */
export function makeRedirectServer(edge: Pick<Edge, "domain" | "publicUrl">): Server {
  return createServer(
    {
      insecureHTTPParser: false,
      maxHeaderSize: HEAD_BYTES,
      headersTimeout: IDLE_MS,
      requestTimeout: IDLE_MS,
      keepAliveTimeout: IDLE_MS,
      connectionsCheckingInterval: 1_000,
    },
    (request, response) => {
      const location = secureTwin(request, edge);
      response.shouldKeepAlive = false;
      // What an upgrade opens in clear text it would have to open again by TLS.
      if (request.headers.upgrade !== undefined) refuse(request, response, { status: 426, detail: "Come by https." });
      else if (location === undefined)
        refuse(request, response, { status: 404, detail: "Nothing of this name is here." });
      else redirectForGood(response, location);
    },
  );
}
