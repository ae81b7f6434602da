// A TLS 1.3 connection to the very agent on record: whoever else answers at its address is turned away before a byte of ours.
import { connect, type ConnectionOptions, createSecureContext, type SecureContext, type TLSSocket } from "node:tls";
import { fail, type Route } from "@gitspaces/contracts";
import { clientTls, type TlsIdentity } from "@gitspaces/daemon/certificates";

/** After so long without a byte the system asks whether the other side is still there, each second; after ten silent ones it is not. */
const KEEP_ALIVE_MS = 30_000;

/**
 * The TLS session (RFC 8446 section 2.2) to go on from. It is proof enough of the key that was pinned when it was given, and the
 * agent takes it for the certificate we showed then: so it holds for one route and one identity of ours.
 */
export type TicketPlace = { ticket?: Buffer };
export type AgentDestination = { route: Route; identity: TlsIdentity; tickets: TicketPlace };

const contexts = new WeakMap<TlsIdentity, SecureContext>();
function contextOf(identity: TlsIdentity): SecureContext {
  const context =
    contexts.get(identity) ??
    createSecureContext({ key: identity.key, cert: identity.certificate, ca: identity.ca, minVersion: "TLSv1.3" });
  contexts.set(identity, context);
  return context;
}

/** Connects, until `signal` aborts. @throws {FailureError} `vm_unreachable`, also when another VM answers there. */
export function connectAgent({ route, identity, tickets }: AgentDestination, signal: AbortSignal): Promise<TLSSocket> {
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
    let isPinned = false;
    let early: Buffer | undefined;
    // A ticket of somebody whose key was not looked at yet is worth nothing: going on from it would skip the look.
    socket.on("session", (ticket) => {
      if (isPinned) tickets.ticket = ticket;
      else early = ticket;
    });
    socket.once("error", refuse);
    socket.once("secureConnect", () => {
      isPinned = true;
      if (early !== undefined) tickets.ticket = early;
      signal.removeEventListener("abort", abandon);
      socket.off("error", refuse);
      // Whoever takes the socket listens too; between two owners an error must not end the process.
      socket.on("error", () => {});
      socket.setNoDelay(true);
      socket.setKeepAlive(true, KEEP_ALIVE_MS);
      resolve(socket);
    });
  });
}
