// The ports of a dev container: what listens in its network, and what its configuration forwards from a neighbour of Compose.
import type { Socket } from "node:net";
import { fail, IDE_PORT } from "@gitspaces/contracts";
import { listeners } from "../listening-ports.ts";
import type { Container } from "./container.ts";
import type { Dialler } from "./dialler.ts";

type Forwarding = Pick<Container, "pid" | "forwardPorts">;

/** The entries of `forwardPorts` that name another host, as `db:5432`: port to host. Those of localhost need no entry. Pure. */
export function neighbours(forwardPorts: Container["forwardPorts"]): Map<number, string> {
  return new Map(
    forwardPorts.flatMap((entry) => {
      const [, host = "", port] = /^([A-Za-z0-9][A-Za-z0-9_.-]*):([1-9]\d{0,4})$/.exec(String(entry)) ?? [];
      const isOwn = host === "" || /^(?:localhost|127\.0\.0\.1)$/i.test(host);
      return isOwn || Number(port) > 65_535 ? [] : [[Number(port), host] as const];
    }),
  );
}

/** Ports that may be forwarded to, ascending. The IDE has none: it is reached by its socket. */
export function containerPorts({ pid, forwardPorts }: Forwarding): number[] {
  const own = listeners(pid).map(({ port }) => port);
  const ports = new Set([...own, ...neighbours(forwardPorts).keys()]);
  ports.delete(IDE_PORT);
  return [...ports].toSorted((a, b) => a - b);
}

/** A socket to one of them; a port of the container itself goes first. @throws {FailureError} `vm_unreachable` when nothing listens there. */
export async function dialContainer(
  { pid, forwardPorts }: Forwarding,
  dialler: Dialler,
  port: number,
): Promise<Socket> {
  if (listeners(pid).some((each) => each.port === port)) return await dialler.dial(port);
  const host = neighbours(forwardPorts).get(port);
  if (host === undefined) throw fail("vm_unreachable", `Nothing listens on port ${port}.`);
  return await dialler.dial(port, host);
}
