// The way through: a visit that may pass is counted, given its headers, and forwarded.
import type { Door } from "./door.ts";
import { headerPolicy } from "./header-policy.ts";
import type { House } from "./house.ts";
import type { Live } from "./live-connections.ts";
import type { Routed } from "./routes.ts";
import { pathOf } from "./site.ts";
import type { Known } from "./verdict.ts";

/** What a visit holds as long as it lasts: its places within the limits of the edge, and that it is live. */
export class Held implements Disposable {
  stay: Disposable | undefined;
  live: Live | undefined;

  /** Holds on until a tunnel is over. Whoever held it so far lets it go, and all that was known of the request with it. */
  holdUntil(over: Promise<void>): void {
    const moved = new Held();
    [moved.stay, moved.live] = [this.stay, this.live];
    [this.stay, this.live] = [undefined, undefined];
    void over.then(() => moved[Symbol.dispose]());
  }

  [Symbol.dispose](): void {
    this.live?.[Symbol.dispose]();
    this.stay?.[Symbol.dispose]();
    [this.stay, this.live] = [undefined, undefined];
  }
}

/** Forwards a visit; settles when it is over, or has become a tunnel. @throws {FailureError} as the forwarder. */
export async function through(
  house: House,
  door: Door,
  { site, session, sibling }: Known,
  routed: Routed,
  port: number,
  held: Held,
): Promise<void> {
  const { gitspaceId, generation } = routed.route;
  const { socket } = door.request;
  const source = door.isUpgrade ? "websocket" : "http";
  const live = house.live.open({ gitspaceId, generation, port, session, source, socket });
  held.live = live;
  const { installation, edge } = house;
  const { clientAddress, scheme } = edge.arrivals.of(door.request);
  const { hstsSeconds } = edge;
  const policy = headerPolicy({ host: site.host, scheme, clientAddress, installation, sibling, hstsSeconds });
  if (session?.pass !== undefined) {
    const { method = "GET", url = "/" } = door.request;
    const use = { gitspaceId, pass: session.pass.id, port, address: clientAddress };
    house.uses.requested(use, { method, path: pathOf(url) });
  }
  try {
    const tunnel = await door.forward(house.upstreams.at(routed, port), policy, live.ended);
    if (tunnel !== undefined) held.holdUntil(tunnel.over);
  } catch (error) {
    live.failed();
    throw error;
  }
}
