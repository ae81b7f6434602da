// One upstream per route and port: it lives as long as the route does, so no socket outlives the generation it was made for.
import type { Socket } from "node:net";
import { fail } from "@gitspaces/contracts";
import type { TlsIdentity } from "@gitspaces/daemon/certificates";
import type { TicketPlace } from "./agent-connection.ts";
import type { Upstream } from "./forwarder.ts";
import type { Routed } from "./routes.ts";
import { dialPort } from "./tunnel.ts";

type Place = {
  /** Whom the tickets were given to. */
  identity: TlsIdentity;
  tickets: TicketPlace;
  ports: Map<number, Upstream>;
  /** Every socket that was dialled over this route and is not closed. */
  sockets: Set<Socket>;
};

export class Upstreams {
  readonly #identity: () => TlsIdentity;
  readonly #ofRoute = new WeakMap<Routed, Place>();

  constructor(identity: () => TlsIdentity) {
    this.#identity = identity;
  }

  /** The upstream of a port behind a route; the same one each time. */
  at(routed: Routed, port: number): Upstream {
    const { ports } = this.#place(routed);
    const present = ports.get(port);
    if (present !== undefined) return present;
    const upstream: Upstream = { ended: routed.ended, dial: (signal) => this.dial(routed, port, signal) };
    ports.set(port, upstream);
    return upstream;
  }

  /**
   * A socket of its own to a port behind a route, closed when the route ends. `headers` are told to the agent.
   * @throws {FailureError} see `dialPort`.
   */
  async dial(
    routed: Routed,
    port: number,
    signal: AbortSignal,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Socket> {
    const { sockets } = this.#place(routed);
    const { identity, tickets } = this.#shown(routed);
    const socket = await dialPort({ route: routed.route, port, identity, tickets, headers }, [signal, routed.ended]);
    if (routed.ended.aborted) {
      socket.destroy();
      throw fail("vm_unreachable", "The Gitspace moved while it was dialled.");
    }
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    return socket;
  }

  /** What is shown to the agent now. A renewed certificate is shown from the next dial on: with it no old session goes on. */
  #shown(routed: Routed): Pick<Place, "identity" | "tickets"> {
    const place = this.#place(routed);
    const identity = this.#identity();
    if (place.identity !== identity) {
      place.identity = identity;
      place.tickets = {};
    }
    return place;
  }

  #place(routed: Routed): Place {
    const present = this.#ofRoute.get(routed);
    if (present !== undefined) return present;
    const place: Place = { identity: this.#identity(), tickets: {}, ports: new Map(), sockets: new Set() };
    const end = (): void => place.sockets.forEach((socket) => socket.destroy());
    routed.ended.addEventListener("abort", end, { once: true });
    this.#ofRoute.set(routed, place);
    return place;
  }
}
