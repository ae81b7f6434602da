// What HTTP itself asks of an edge that speaks TLS: the host that was greeted is the host that is asked, and https stays https.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { TLSSocket } from "node:tls";
import { parseTarget } from "@gitspaces/contracts";

/** The name of the host in a Host header: lower case, without a port. */
export function hostnameOf(host: string | undefined): string {
  return (host ?? "").toLowerCase().replace(/:\d+$/, "");
}

/** Whether a request on a TLS connection asks for another host than the one greeted in the handshake (RFC 9110 section 15.5.20). */
export function isMisdirected({ socket, headers }: Pick<IncomingMessage, "socket" | "headers">): boolean {
  const { encrypted, servername } = socket as Partial<TLSSocket>;
  if (encrypted !== true) return false;
  return typeof servername !== "string" || servername.toLowerCase() !== hostnameOf(headers.host);
}

/** Where a request by http goes instead: the same place by https, on hosts of ours only. */
export function secureTwin(
  { headers, url }: Pick<IncomingMessage, "headers" | "url">,
  { domain, publicUrl }: { domain: string; publicUrl: string },
): string | undefined {
  const hostname = hostnameOf(headers.host);
  const isOurs = hostname === domain || parseTarget(hostname, domain) !== undefined;
  if (!isOurs || url?.startsWith("/") !== true) return undefined;
  const { port } = new URL(publicUrl);
  return `https://${hostname}${port === "" ? "" : `:${port}`}${url}`;
}

/** Says that browsers should come by https only, for this host (RFC 6797); nothing when `seconds` is 0. */
export function strictTransport(seconds: number): string[] {
  return seconds === 0 ? [] : ["Strict-Transport-Security", `max-age=${seconds}`];
}

/** A redirect that keeps method and body. */
export function redirectForGood(response: ServerResponse, location: string): void {
  response.writeHead(308, { Location: location, "Content-Length": 0, "Cache-Control": "no-store" }).end();
}
