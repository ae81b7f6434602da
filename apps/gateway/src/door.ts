// A request or an upgrade at the door, seen alike.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Ending } from "./ending.ts";
import type { Tunnel, Upstream } from "./forwarder.ts";
import type { HeaderPolicy } from "./header-policy.ts";

export type Door = {
  request: IncomingMessage;
  isUpgrade: boolean;
  /** Asked for once, when the gateway answers for itself. */
  answer: () => ServerResponse;
  /** Resolves when the request is over, or with the tunnel that an upgrade became. */
  forward: (upstream: Upstream, policy: HeaderPolicy, signal: Ending) => Promise<Tunnel | undefined>;
};
