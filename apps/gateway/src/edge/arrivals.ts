// How a request reached us: from which address, and over http or https. Only a proxy that is trusted may say so for others.
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import type { TLSSocket } from "node:tls";
import { fail } from "@gitspaces/contracts";
import proxyAddr from "proxy-addr";

export type CameBy = {
  /** The client's IP address, IPv4 without the `::ffff:` of a double stack. */
  clientAddress: string;
  /** `http` or `https`, as the client spoke it. */
  scheme: string;
};
type Asked = Pick<IncomingMessage, "headers" | "socket">;

export type Arrivals = {
  of(request: Asked): CameBy;
  /** Whether a peer is one of our own proxies. */
  isTrusted(address: string | undefined): boolean;
};

/**
 * `proxies` are addresses and CIDRs; `scheme` is what the public URL has.
 * @throws {FailureError} `bad_request` for what is neither address nor CIDR.
 */
export function makeArrivals(proxies: readonly string[], scheme: string): Arrivals {
  const trusts = compile(proxies);
  const isTrusted = (address: string | undefined): boolean =>
    proxies.length > 0 && address !== undefined && trusts(address, 0);
  return {
    isTrusted,
    of(request) {
      const peer = request.socket.remoteAddress;
      if (!isTrusted(peer)) return { clientAddress: plain(peer), scheme: ownScheme(request, scheme) };
      const told = proxyAddr(request as IncomingMessage, trusts);
      const clientAddress = isIP(told) === 0 ? plain(peer) : plain(told);
      return { clientAddress, scheme: toldScheme(request) ?? scheme };
    },
  };
}

function compile(proxies: readonly string[]): (address: string, hop: number) => boolean {
  try {
    return proxyAddr.compile([...proxies]);
  } catch (cause) {
    throw fail(
      "bad_request",
      `GITSPACES_TRUSTED_PROXIES should be addresses and CIDRs, such as 10.0.0.0/8: ${(cause as Error).message}.`,
      { field: "trustedProxies", cause },
    );
  }
}

/** Without TLS of our own the public URL is believed: somebody in front may end TLS and say nothing. */
function ownScheme({ socket }: Asked, scheme: string): string {
  return (socket as Partial<TLSSocket>).encrypted === true ? "https" : scheme;
}

/** What the proxy next to us says; those before it stand further left. */
function toldScheme({ headers }: Asked): string | undefined {
  const said = headers["x-forwarded-proto"];
  const last = (Array.isArray(said) ? said.join() : said)?.split(",").at(-1)?.trim().toLowerCase();
  return last === "http" || last === "https" ? last : undefined;
}

function plain(address: string | undefined): string {
  return (address ?? "").replace(/^::ffff:(?=\d+\.)/i, "");
}
