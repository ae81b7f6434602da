// CONNECT: from the gateway's socket to a port of the Gitspace's own loopback, or to the IDE's socket.
import { connect, type NetConnectOpts, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { fail, FailureError, IDE_PORT, toFailure } from "@gitspaces/contracts";
import type { Ports } from "./ports.ts";
import { refuseConnect } from "./problem.ts";

const DIAL_DEADLINE_MS = 10_000;
const KEEP_ALIVE_MS = 30_000;

/** The port of a CONNECT target on this VM's own loopback, or nothing when it names any other place. */
export function loopbackPort(target: string): number | undefined {
  const [, port] = /^(?:localhost|127\.0\.0\.1|\[::1\]):([1-9]\d{0,4})$/i.exec(target) ?? [];
  return port === undefined || Number(port) > 65_535 ? undefined : Number(port);
}

export type TunnelPolicy = { ports: Ports; idePath: string; claimed: () => boolean };

/** Dials where a CONNECT may lead. @throws {FailureError} `denied`, or `vm_unreachable` when nothing listens there. */
export async function dialTarget(target: string, { ports, idePath, claimed }: TunnelPolicy): Promise<Socket> {
  const port = loopbackPort(target);
  if (port === undefined) throw fail("denied", "Only ports of this Gitspace's own localhost are forwarded.");
  if (port === IDE_PORT) return await dial([{ path: idePath }], "The IDE does not listen yet.");
  if (!claimed()) throw fail("denied", "This VM belongs to no Gitspace yet; only its IDE is reached.");
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

async function dial(places: readonly NetConnectOpts[], silent: string): Promise<Socket> {
  let cause: unknown;
  for (const place of places) {
    try {
      return await dialOne(place);
    } catch (error) {
      cause = error;
    }
  }
  throw fail("vm_unreachable", silent, { cause });
}

async function dialOne(place: NetConnectOpts): Promise<Socket> {
  const socket = connect({ ...place, allowHalfOpen: true, noDelay: true });
  return await new Promise((resolve, reject) => {
    const late = setTimeout(() => socket.destroy(new Error("dialling took too long")), DIAL_DEADLINE_MS);
    socket.once("error", reject);
    socket.once("connect", () => {
      clearTimeout(late);
      socket.off("error", reject);
      resolve(socket);
    });
    socket.once("close", () => clearTimeout(late));
  });
}

/** Answers a CONNECT: 200 and then raw bytes both ways, or a problem. */
export async function tunnel(
  client: Duplex & { setKeepAlive?: Socket["setKeepAlive"] },
  head: Buffer,
  dialling: Promise<Socket>,
): Promise<void> {
  client.on("error", () => client.destroy());
  try {
    const upstream = await dialling;
    upstream.on("error", () => upstream.destroy());
    if (client.destroyed) {
      upstream.destroy();
      return;
    }
    // A peer that vanished while half closed is found by the system's probes.
    client.setKeepAlive?.(true, KEEP_ALIVE_MS);
    client.write("HTTP/1.1 200 Connection Established\r\n\r\n");
    if (head.length > 0) upstream.write(head);
    splice(client, upstream);
  } catch (error) {
    if (!(error instanceof FailureError)) throw error;
    refuseConnect(client, toFailure(error));
  }
}

/** Joins two sockets. One side's end is passed on and the other may still talk; one side's death is the other's. */
export function splice(one: Duplex, other: Duplex): void {
  one.pipe(other);
  other.pipe(one);
  one.once("close", () => closeSoon(other));
  other.once("close", () => closeSoon(one));
}

/** What was received before the death still arrives. */
function closeSoon(stream: Duplex): void {
  if (stream.writableFinished || stream.destroyed) stream.destroy();
  else stream.end(() => stream.destroy());
}
