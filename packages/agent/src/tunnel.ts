// CONNECT: from the gateway's socket to a port of the Gitspace's own loopback, to the IDE's socket, or to an sshd.
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { fail, FailureError, IDE_PORT, SSH_KEYS_HEADER, SSH_PORT, toFailure } from "@gitspaces/contracts";
import { refuseConnect } from "./problem.ts";
import { readKeysHeader } from "./ssh/authorised-keys.ts";
import { tellOf } from "./ssh/ssh-door.ts";
import type { Workplace } from "./workplace.ts";

const KEEP_ALIVE_MS = 30_000;

/** The port of a CONNECT target on this VM's own loopback, or nothing when it names any other place. */
export function loopbackPort(target: string): number | undefined {
  const [, port] = /^(?:localhost|127\.0\.0\.1|\[::1\]):([1-9]\d{0,4})$/i.exec(target) ?? [];
  return port === undefined || Number(port) > 65_535 ? undefined : Number(port);
}

export type TunnelPolicy = { workplace: Pick<Workplace, "dial" | "dialIde" | "dialSsh">; claimed: () => boolean };
/** What was dialled, and what the answer says of it. */
export type Dialled = { socket: Duplex; told?: Record<string, string> };

/** Dials where a CONNECT may lead. @throws {FailureError} `denied`, or `vm_unreachable` when nothing listens there. */
export async function dialTarget(
  { url, headers }: Pick<IncomingMessage, "url" | "headers">,
  { workplace, claimed }: TunnelPolicy,
): Promise<Dialled> {
  const port = loopbackPort(url ?? "");
  if (port === undefined) throw fail("denied", "Only ports of this Gitspace's own localhost are forwarded.");
  if (port === IDE_PORT) return { socket: await workplace.dialIde() };
  if (!claimed()) throw fail("denied", "This VM belongs to no Gitspace yet; only its IDE is reached.");
  if (port !== SSH_PORT) return { socket: await workplace.dial(port) };
  const connection = await workplace.dialSsh(readKeysHeader(headers[SSH_KEYS_HEADER]));
  return { socket: connection.socket, told: tellOf(connection) };
}

/** Answers a CONNECT: 200 and then raw bytes both ways, or a problem. */
export async function tunnel(
  client: Duplex & { setKeepAlive?: Socket["setKeepAlive"] },
  head: Buffer,
  dialling: Promise<Dialled>,
): Promise<void> {
  client.on("error", () => client.destroy());
  try {
    const { socket: upstream, told } = await dialling;
    upstream.on("error", () => upstream.destroy());
    if (client.destroyed) {
      upstream.destroy();
      return;
    }
    // A peer that vanished while half closed is found by the system's probes.
    client.setKeepAlive?.(true, KEEP_ALIVE_MS);
    const lines = Object.entries(told ?? {}).map(([name, value]) => `${name}: ${value}\r\n`);
    client.write(`HTTP/1.1 200 Connection Established\r\n${lines.join("")}\r\n`);
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
