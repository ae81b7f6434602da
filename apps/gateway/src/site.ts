// Which Gitspace and port a request asks for, read from its one Host header and nothing else.
import type { IncomingMessage } from "node:http";
import { fail, type FailureError, parseTarget, type Target } from "@gitspaces/contracts";

export type Site = {
  /** The Host header: lower case, with the port when there was one. */
  host: string;
  hostname: string;
  /** Nothing when no Gitspace can have this name. */
  target: Target | undefined;
};

/** @throws {FailureError} `bad_request` for absolute-form, and when Host is missing, repeated or not a host. */
export function readSite(request: Pick<IncomingMessage, "rawHeaders" | "url">, domain: string): Site {
  if (request.url?.startsWith("/") !== true)
    throw fail("bad_request", "The request's target should be a path that begins with a slash.");
  let value: string | undefined;
  for (let at = 0; at < request.rawHeaders.length; at += 2) {
    const name = request.rawHeaders[at] ?? "";
    if (name.length !== 4 || name.toLowerCase() !== "host") continue;
    if (value !== undefined) throw oneHost();
    value = request.rawHeaders[at + 1] ?? "";
  }
  if (value === undefined) throw oneHost();
  const key = `${domain} ${value}`;
  const known = sites.get(key);
  if (known !== undefined) return known;
  const site = parseHost(value, domain);
  if (sites.size >= REMEMBERED) sites.clear();
  sites.set(key, site);
  return site;
}

/** A page's hundred requests name one host; a flood of made-up names only empties this. */
const sites = new Map<string, Site>();
const REMEMBERED = 2_000;

function parseHost(value: string, domain: string): Site {
  const host = value.toLowerCase();
  const [, hostname] = /^([a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$/.exec(host) ?? [];
  if (hostname === undefined) throw fail("bad_request", "The Host header is not a host name.", { field: "host" });
  return { host, hostname, target: parseTarget(hostname, domain) };
}

const oneHost = (): FailureError =>
  fail("bad_request", "The request should have exactly one Host header.", { field: "host" });

/** The part of a request's target before the query, as it was sent. */
export function pathOf(url: string): string {
  const end = url.search(/[?#]/);
  return end === -1 ? url : url.slice(0, end);
}
