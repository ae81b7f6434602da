// The ports of a Gitspace: everything that listens in its VM, but nothing that is the agent's or somebody else's.
import type { Socket } from "node:net";
import { fail, IDE_PORT } from "@gitspaces/contracts";
import { dial } from "./dial.ts";
import { listeners, socketsOf } from "./listening-ports.ts";
import { type Isolation, vmProcesses } from "./process-tree.ts";

export type PortRule = "open" | "denied" | "silent";

export class Ports {
  readonly #isolation: Isolation;
  readonly #instanceId: string;
  /** The agent's own port; it is never forwarded to. */
  ownPort = 0;

  constructor(isolation: Isolation, instanceId: string) {
    this.#isolation = isolation;
    this.#instanceId = instanceId;
  }

  /** The ports that listen and may be forwarded to, ascending. The IDE has none: it is reached by its socket. */
  list(): number[] {
    const found = listeners().filter(({ port }) => port !== this.ownPort && port !== IDE_PORT);
    const own = this.#isolation === "none" && found.length > 0 ? this.#ownSockets() : undefined;
    const ports = found.filter(({ inode }) => own?.has(inode) ?? true).map(({ port }) => port);
    return [...new Set(ports)].toSorted((a, b) => a - b);
  }

  /**
   * Whether a port may be forwarded to. A VM with its own network owns all that listens in it; without one, every
   * socket that listens on the port has to be held by a process of this VM.
   */
  rule(port: number): PortRule {
    if (port === this.ownPort) return "denied";
    const found = listeners().filter((each) => each.port === port);
    if (found.length === 0) return "silent";
    if (this.#isolation === "namespace") return "open";
    const own = this.#ownSockets();
    return found.every(({ inode }) => own.has(inode)) ? "open" : "denied";
  }

  #ownSockets(): Set<string> {
    return socketsOf(vmProcesses(this.#instanceId).map(({ pid }) => pid));
  }
}

/** A socket to one of the ports. @throws {FailureError} `denied`, or `vm_unreachable` when nothing listens there. */
export async function dialPort(ports: Ports, port: number): Promise<Socket> {
  const silent = `Nothing listens on port ${port}.`;
  const rule = ports.rule(port);
  if (rule === "denied") throw fail("denied", `Port ${port} does not belong to this Gitspace.`);
  if (rule === "silent") throw fail("vm_unreachable", silent);
  return await dial(
    [
      { host: "127.0.0.1", port },
      { host: "::1", port },
    ],
    silent,
  );
}
