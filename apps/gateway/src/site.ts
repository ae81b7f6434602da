// Which Gitspace and port a request asks for, read from its one Host header and nothing else.
import type { IncomingMessage } from "node:http";
import { fail, parseTarget, type Target } from "@gitspaces/contracts";
import { pairs } from "./header-policy.ts";

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
  const hosts = [...pairs(request.rawHeaders)].filter(([name]) => name.toLowerCase() === "host");
  const [, value] = hosts[0] ?? [];
  if (value === undefined || hosts.length !== 1)
    throw fail("bad_request", "The request should have exactly one Host header.", { field: "host" });
  const host = value.toLowerCase();
  const [, hostname] = /^([a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$/.exec(host) ?? [];
  if (hostname === undefined) throw fail("bad_request", "The Host header is not a host name.", { field: "host" });
  return { host, hostname, target: parseTarget(hostname, domain) };
}

/** The part of a request's target before the query, as it was sent. */
export function pathOf(url: string): string {
  const end = url.search(/[?#]/);
  return end === -1 ? url : url.slice(0, end);
}
