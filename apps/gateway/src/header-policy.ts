// Which headers cross the gateway. What a client claims about its way here is dropped first, then the truth is set.
import { ownCookie, withoutOwnCookies } from "./cookies.ts";
import { strictTransport } from "./edge/transport.ts";
import { ownBearer } from "./passes/bearer.ts";
import { readableBy } from "./siblings.ts";

/** Header lists are flat, as Node has them: name, value, name, value. */
export type HeaderPolicy = {
  request(rawHeaders: readonly string[]): string[];
  response(rawHeaders: readonly string[]): string[];
};

/** What the gateway knows for itself about a request. */
export type Arrival = {
  host: string;
  scheme: string;
  clientAddress: string;
  installation: string;
  /** The origin of a page of one's other ports that may read the answer. */
  sibling?: string | undefined;
  /** Seconds of Strict-Transport-Security, 0 where the public URL is http. */
  hstsSeconds?: number;
};

/** RFC 9110 section 7.6.1, and the old names of the same kind. */
const hopByHop = new Set(["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "te"]);
/** Said by whoever stands in front of a server; here that is only us. `expect` was already met by our own
 * server; `proxy` becomes HTTP_PROXY where headers become an environment. */
const claims = new Set(["forwarded", "x-real-ip", "expect", "proxy"]);
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
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? "";
    const value = rawHeaders[at + 1] ?? "";
    const { key, request } = kindOf(name);
    if (request === "drop" || nominated?.has(key) === true) {
      if (key === "te" && value.trim().toLowerCase() === "trailers") kept.push(name, value);
      continue;
    }
    // A pass is between its holder and us.
    if (request === "authorization" && ownBearer(value) !== undefined) continue;
    const passed = request === "cookie" ? withoutOwnCookies(value, arrival.installation) : value;
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
  const { hstsSeconds = 0, sibling } = arrival;
  let isDecided = false;
  const nominated = nominatedBy(rawHeaders);
  const kept: string[] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? "";
    const value = rawHeaders[at + 1] ?? "";
    const { key, response } = kindOf(name);
    if (response === "drop" || nominated?.has(key) === true) continue;
    if (response === "cookie" && !maySet(value, arrival)) continue;
    // Over https it is the gateway that says it, whatever a Gitspace would have said instead.
    if (hstsSeconds > 0 && key === "strict-transport-security") continue;
    // A Gitspace that has a word on who may read its answers is not overruled.
    isDecided ||= key === "access-control-allow-origin";
    kept.push(name, value);
  }
  if (sibling !== undefined && !isDecided) kept.push(...readableBy(sibling).flat());
  if (hstsSeconds > 0) kept.push(...strictTransport(hstsSeconds));
  return kept;
}

type Fate = "keep" | "drop" | "cookie" | "authorization";
type Kind = { key: string; request: Fate; response: Fate };

/** Clients and servers write the same few names again and again; a flood of made-up ones only empties this. */
const kinds = new Map<string, Kind>();
const REMEMBERED = 2_000;

function kindOf(name: string): Kind {
  const known = kinds.get(name);
  if (known !== undefined) return known;
  const key = name.toLowerCase();
  const kind: Kind = { key, request: requestFate(key), response: responseFate(key) };
  if (kinds.size >= REMEMBERED) kinds.clear();
  kinds.set(name, kind);
  return kind;
}

function requestFate(key: string): Fate {
  if (hopByHop.has(key) || claims.has(key)) return "drop";
  // A server that turns dashes into underscores can not tell such a name from ours.
  if (key.includes("_") || claimPrefixes.some((prefix) => key.startsWith(prefix))) return "drop";
  return key === "cookie" || key === "authorization" ? key : "keep";
}

function responseFate(key: string): Fate {
  // Alternative services would lead the browser past the gateway.
  if (hopByHop.has(key) || key.startsWith("proxy-") || key === "alt-svc") return "drop";
  // It would sign the browser out of every sibling: cookies are cleared by the domain they share.
  if (key === "clear-site-data") return "drop";
  return key === "set-cookie" ? "cookie" : "keep";
}

/** A Gitspace sets cookies for its own host: never ours, never for a domain that siblings share. */
function maySet(setCookie: string, arrival: Arrival): boolean {
  const [first = "", ...attributes] = setCookie.split(";");
  // A cookie without a name is sent as its value alone, which then reads as name and value.
  if (ownCookie(first.replace(/^[\s=]+/, "").split("=")[0] ?? "", arrival.installation)) return false;
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

/** What `Connection` names; nothing in the common case that it names only what stops here anyway. */
function nominatedBy(rawHeaders: readonly string[]): Set<string> | undefined {
  let names: Set<string> | undefined;
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? "";
    if (name.length !== 10 || name.toLowerCase() !== "connection") continue;
    const value = rawHeaders[at + 1] ?? "";
    if (usual.has(value)) continue;
    for (const token of value.split(",")) {
      const nominated = token.trim().toLowerCase();
      if (!neverNominated.has(nominated)) (names ??= new Set()).add(nominated);
    }
  }
  return names;
}

const usual = new Set(["keep-alive", "Keep-Alive", "close", "Close", "Upgrade", "upgrade", "keep-alive, Upgrade"]);

/** The names and values of a flat list. */
export function* pairs(rawHeaders: readonly string[]): Generator<[string, string]> {
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) yield [rawHeaders[at] ?? "", rawHeaders[at + 1] ?? ""];
}
