// Which headers cross the gateway. What a client claims about its way here is dropped first, then the truth is set.
import { ownCookie, withoutOwnCookies } from "./cookies.ts";

/** Header lists are flat, as Node has them: name, value, name, value. */
export type HeaderPolicy = {
  request(rawHeaders: readonly string[]): string[];
  response(rawHeaders: readonly string[]): string[];
};

/** What the gateway knows for itself about a request. */
export type Arrival = { host: string; scheme: string; clientAddress: string; installation: string };

/** RFC 9110 section 7.6.1, and the old names of the same kind. */
const hopByHop = new Set(["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "te"]);
/** Said by whoever stands in front of a server; here that is only us. `expect` was already met by our own server. */
const claims = new Set(["forwarded", "x-real-ip", "expect"]);
const claimPrefixes = ["x-forwarded-", "proxy-", "x-gs-", "gs-"];

/** The policy of one request. */
export function headerPolicy(arrival: Arrival): HeaderPolicy {
  return {
    request: (rawHeaders) => requestHeaders(rawHeaders, arrival),
    response: (rawHeaders) => responseHeaders(rawHeaders, arrival),
  };
}

function requestHeaders(rawHeaders: readonly string[], arrival: Arrival): string[] {
  const nominated = nominatedBy(rawHeaders);
  const kept: string[] = [];
  for (const [name, value] of pairs(rawHeaders)) {
    const key = name.toLowerCase();
    if (key === "te" && value.trim().toLowerCase() === "trailers") kept.push(name, value);
    if (hopByHop.has(key) || claims.has(key) || nominated.has(key)) continue;
    // A server that turns dashes into underscores can not tell such a name from ours.
    if (key.includes("_") || claimPrefixes.some((prefix) => key.startsWith(prefix))) continue;
    const passed = key === "cookie" ? withoutOwnCookies(value, arrival.installation) : value;
    if (passed !== "") kept.push(name, passed);
  }
  kept.push(
    "X-Forwarded-For",
    arrival.clientAddress,
    "X-Forwarded-Host",
    arrival.host,
    "X-Forwarded-Proto",
    arrival.scheme,
  );
  return kept;
}

function responseHeaders(rawHeaders: readonly string[], arrival: Arrival): string[] {
  const nominated = nominatedBy(rawHeaders);
  const kept: string[] = [];
  for (const [name, value] of pairs(rawHeaders)) {
    const key = name.toLowerCase();
    if (hopByHop.has(key) || nominated.has(key) || key.startsWith("proxy-")) continue;
    // Alternative services would lead the browser past the gateway.
    if (key === "alt-svc") continue;
    if (key === "set-cookie" && !maySet(value, arrival)) continue;
    kept.push(name, value);
  }
  return kept;
}

/** A Gitspace sets cookies for its own host: never ours, never for a domain that siblings share. */
function maySet(setCookie: string, arrival: Arrival): boolean {
  const [first = "", ...attributes] = setCookie.split(";");
  if (ownCookie(first.split("=")[0] ?? "", arrival.installation)) return false;
  const hostname = arrival.host.replace(/:\d+$/, "");
  return attributes.every((attribute) => {
    const [, domain] = /^\s*domain\s*=\s*"?\.?([^"]*?)"?\s*$/i.exec(attribute) ?? [];
    return domain === undefined || domain === "" || domain.toLowerCase() === hostname;
  });
}

/** Framing, routing and cookies stay whatever `Connection` says about them. */
const neverNominated = new Set([
  "host",
  "content-length",
  "cookie",
  "origin",
  "set-cookie",
  "content-type",
  "authorization",
]);

function nominatedBy(rawHeaders: readonly string[]): Set<string> {
  const names = new Set<string>();
  for (const [name, value] of pairs(rawHeaders)) {
    if (name.toLowerCase() !== "connection") continue;
    for (const token of value.split(",")) {
      const nominated = token.trim().toLowerCase();
      if (!neverNominated.has(nominated)) names.add(nominated);
    }
  }
  return names;
}

/** The names and values of a flat list. */
export function* pairs(rawHeaders: readonly string[]): Generator<[string, string]> {
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) yield [rawHeaders[at] ?? "", rawHeaders[at + 1] ?? ""];
}
