// One upstream per route and port: it lives as long as the route does, so no socket outlives the generation it was made for.
import type { TlsIdentity } from "@gitspaces/daemon/certificates";
import type { Upstream } from "./forwarder.ts";
import type { Routed } from "./routes.ts";
import { dialPort, type TicketPlace } from "./tunnel.ts";

export class Upstreams {
  readonly #identity: () => TlsIdentity;
  readonly #ofRoute = new WeakMap<Routed, { tickets: TicketPlace; ports: Map<number, Upstream> }>();

  constructor(identity: () => TlsIdentity) {
    this.#identity = identity;
  }

  /** The upstream of a port behind a route; the same one each time. */
  at(routed: Routed, port: number): Upstream {
    const { tickets, ports } = this.#place(routed);
    const present = ports.get(port);
    if (present !== undefined) return present;
    const upstream: Upstream = {
      ended: routed.ended,
      dial: (signal) =>
        dialPort(
          { route: routed.route, port, identity: this.#identity(), tickets },
          AbortSignal.any([signal, routed.ended]),
        ),
    };
    ports.set(port, upstream);
    return upstream;
  }

  #place(routed: Routed): { tickets: TicketPlace; ports: Map<number, Upstream> } {
    const place = this.#ofRoute.get(routed) ?? { tickets: {}, ports: new Map() };
    this.#ofRoute.set(routed, place);
    return place;
  }
}
