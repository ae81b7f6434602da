// The port between the gateway and an HTTP engine. Who may pass, and with which headers, is decided before it is called.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Ending } from "./ending.ts";
import type { HeaderPolicy } from "./header-policy.ts";

/** One port of one VM. Sockets dialled from it are never used for another upstream. */
export type Upstream = {
  /** A socket that speaks with the port. @throws {FailureError} when there is none to be had. */
  dial(signal: AbortSignal): Promise<Socket>;
  /** Aborts when the VM is no longer the Gitspace's: every socket ends. */
  ended: AbortSignal;
};

export type Forwarder = {
  /**
   * Forwards a request and streams the answer back; settles when both are over.
   * @throws {FailureError} `vm_unreachable` while nothing was answered yet; later the client's connection is cut instead.
   */
  forward(
    request: IncomingMessage,
    response: ServerResponse,
    upstream: Upstream,
    policy: HeaderPolicy,
    signal: Ending,
  ): Promise<undefined>;
  /**
   * The same for an upgrade; a refusal of the upstream is passed on with its body. Settles with the tunnel as soon as it stands, so
   * that nothing of the request is kept as long as the tunnel lasts.
   */
  upgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    upstream: Upstream,
    policy: HeaderPolicy,
    signal: Ending,
  ): Promise<Tunnel | undefined>;
};

/** An upgraded connection. */
export type Tunnel = { over: Promise<void> };
