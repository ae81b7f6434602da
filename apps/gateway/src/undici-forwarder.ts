// The default engine: Node's strict parser towards clients, undici's towards the VM, raw header lists both ways.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Dispatcher, Pool } from "undici";
import type { Ending } from "./ending.ts";
import type { Forwarder, Upstream } from "./forwarder.ts";
import type { HeaderPolicy } from "./header-policy.ts";
import { bodyBegins, type Framing, framingOf, isRepeatable } from "./request-framing.ts";
import { streamRequest } from "./streamed-request.ts";
import { RequestBody } from "./undici-body.ts";
import { Exchange, type Outcome } from "./undici-exchange.ts";
import { upstreamPools } from "./undici-pool.ts";
import { upgradeThrough } from "./upgrade.ts";

/**
 * A forwarder by undici's `Pool.dispatch`, one pool per upstream. undici holds a head back until its body begins and knows
 * neither `Expect` nor trailers of requests; such requests go over a socket of their own.
 */
export function undiciForwarder(): Forwarder {
  const poolOf = upstreamPools();
  return {
    async forward(request, response, upstream, policy, signal) {
      const framing = framingOf(request);
      if (framing !== "none" && (mustGoAhead(request) || !(await bodyBegins(request))))
        return streamRequest(request, response, upstream, policy, signal);
      while ((await attempt(poolOf(upstream), request, response, upstream, policy, signal, framing)) === "stale");
      return undefined;
    },
    upgrade: upgradeThrough,
  };
}

function mustGoAhead({ headers }: IncomingMessage): boolean {
  return headers.expect !== undefined || headers.trailer !== undefined;
}

function attempt(
  pool: Pool,
  request: IncomingMessage,
  response: ServerResponse,
  { ended }: Upstream,
  policy: HeaderPolicy,
  signal: Ending,
  framing: Framing,
): Promise<Outcome> {
  const exchange = new Exchange(request, response, policy, {
    signal,
    ended,
    isRepeatable: isRepeatable(request, framing),
  });
  if (exchange.isOver) return exchange.outcome;
  const options: Dispatcher.DispatchOptions = {
    path: request.url ?? "/",
    method: request.method as Dispatcher.HttpMethod,
    headers: policy.request(request.rawHeaders),
    body:
      framing === "none"
        ? null
        : (new RequestBody(request) as unknown as NonNullable<Dispatcher.DispatchOptions["body"]>),
  };
  // A body with a method that needs none is no reason to give the socket up; an answer to HEAD that has one is.
  if (request.method !== "HEAD") options.reset = false;
  pool.dispatch(options, exchange);
  return exchange.outcome;
}
