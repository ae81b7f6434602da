// The way into a VM: TLS 1.3 to the very agent on record, then CONNECT to a port of its own localhost.
import { request as httpRequest } from "node:http";
import type { Socket } from "node:net";
import { connect, type ConnectionOptions, createSecureContext, type SecureContext, type TLSSocket } from "node:tls";
import { fail, type Route } from "@gitspaces/contracts";
import { clientTls, type TlsIdentity } from "@gitspaces/daemon/certificates";

const DIAL_MS = 5_000;
/** Failures that carry this detail mean: the VM is well, but nothing listens on the port. */
export const NOT_LISTENING = "not_listening";

/** Sessions of TLS are resumed per agent; a ticket is proof enough of the key that was pinned when it was given. */
export type TicketPlace = { ticket?: Buffer };
type Destination = { route: Route; port: number; identity: TlsIdentity; tickets: TicketPlace };

const contexts = new WeakMap<TlsIdentity, SecureContext>();
function contextOf(identity: TlsIdentity): SecureContext {
  const context =
    contexts.get(identity) ??
    createSecureContext({ key: identity.key, cert: identity.certificate, ca: identity.ca, minVersion: "TLSv1.3" });
  contexts.set(identity, context);
  return context;
}

/** A TLS connection to the agent of a route. @throws {FailureError} `vm_unreachable`, also when another VM answers there. */
export function connectAgent(
  { route, identity, tickets }: Omit<Destination, "port">,
  signal: AbortSignal,
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const { checkServerIdentity } = clientTls(identity, {
      role: "vm",
      name: route.instanceId,
      keyFingerprint: route.keyFingerprint,
    });
    const options: ConnectionOptions & { allowHalfOpen: boolean } = {
      host: route.address,
      port: route.port,
      secureContext: contextOf(identity),
      rejectUnauthorized: true,
      allowHalfOpen: true,
      checkServerIdentity,
      session: tickets.ticket,
    };
    const socket = connect(options);
    const abandon = (): void => void socket.destroy(new Error("abandoned"));
    const refuse = (cause: Error): void => {
      signal.removeEventListener("abort", abandon);
      delete tickets.ticket;
      reject(fail("vm_unreachable", "The Gitspace's VM does not answer.", { cause }));
    };
    if (signal.aborted) abandon();
    signal.addEventListener("abort", abandon, { once: true });
    socket.on("session", (ticket) => {
      tickets.ticket = ticket;
    });
    socket.once("error", refuse);
    socket.once("secureConnect", () => {
      signal.removeEventListener("abort", abandon);
      socket.off("error", refuse);
      // Whoever takes the socket listens too; between two owners an error must not end the process.
      socket.on("error", () => {});
      socket.setNoDelay(true);
      socket.setKeepAlive(true, 30_000);
      resolve(socket);
    });
  });
}

/**
 * A socket to a port inside the VM, before a deadline of five seconds.
 * @throws {FailureError} `vm_unreachable` (with the detail `not_listening` when only the port is closed), `denied`, or `timeout`.
 */
export async function dialPort(destination: Destination, signal: AbortSignal): Promise<Socket> {
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), DIAL_MS);
  const whole = AbortSignal.any([signal, deadline.signal]);
  try {
    const socket = await connectAgent(destination, whole);
    return await connectPort(socket, destination.port, whole);
  } catch (error) {
    if (deadline.signal.aborted)
      throw fail("timeout", `The Gitspace's VM did not answer within ${DIAL_MS / 1_000} s.`, { cause: error });
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function connectPort(socket: TLSSocket, port: number, signal: AbortSignal): Promise<Socket> {
  const authority = `localhost:${port}`;
  if (signal.aborted) {
    socket.destroy();
    throw fail("cancelled", "Nobody waits for the connection any more.");
  }
  return new Promise((resolve, reject) => {
    const abandon = (): void => void socket.destroy(new Error("abandoned"));
    const refuse = (error: Error): void => {
      signal.removeEventListener("abort", abandon);
      socket.destroy();
      reject(error);
    };
    signal.addEventListener("abort", abandon, { once: true });
    const asked = httpRequest({
      method: "CONNECT",
      path: authority,
      headers: { host: authority },
      createConnection: () => socket,
    });
    asked.once("connect", (answer, _socket, rest) => {
      if (answer.statusCode !== 200) return refuse(refusal(answer.statusCode ?? 0, port));
      signal.removeEventListener("abort", abandon);
      if (rest.length > 0) socket.unshift(rest);
      resolve(socket);
    });
    asked.once("response", () => refuse(refusal(0, port)));
    asked.on("error", (cause) => refuse(fail("vm_unreachable", "The Gitspace's VM broke the connection.", { cause })));
    asked.end();
  });
}

function refusal(status: number, port: number): Error {
  if (status === 502)
    return fail("vm_unreachable", `Nothing listens on port ${port} of the Gitspace.`, {
      details: { reason: NOT_LISTENING },
    });
  if (status === 403) return fail("denied", `The Gitspace does not open port ${port}.`);
  return fail("vm_unreachable", `The Gitspace's agent answered ${status} to a connection to port ${port}.`);
}
