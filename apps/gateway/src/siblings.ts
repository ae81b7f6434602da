// Pages of one owner's other ports, which may talk to each other as they do on localhost: who they are, and what they are told (CORS).
import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import { type AccessDocument, mayBeShared, parseTarget } from "@gitspaces/contracts";
import type { Site } from "./site.ts";

type Where = { site: Site; scheme: string; domain: string; find: (gitspaceId: string) => AccessDocument | undefined };

/**
 * The origin of a request, when its page is another port that may talk to this one: of the same Gitspace, or of the same owner when
 * this port is open to more than them. Never to the IDE, which is a shell. Two ports of one Gitspace are judged by their names alone,
 * so that an answer does not tell whether there is such a Gitspace.
 */
export function siblingOrigin(headers: IncomingHttpHeaders, { site, scheme, domain, find }: Where): string | undefined {
  const { origin } = headers;
  const { target } = site;
  const [, its, hostname = "", port = ""] = /^(https?):\/\/([a-z0-9.-]+)(:[0-9]{1,5})?$/.exec(origin ?? "") ?? [];
  if (origin === undefined || target === undefined || its !== scheme || !mayBeShared(target.port)) return undefined;
  if (port !== site.host.slice(site.hostname.length) || hostname === site.hostname) return undefined;
  const from = parseTarget(hostname, domain);
  if (from === undefined) return undefined;
  if (from.gitspaceId === target.gitspaceId) return origin;
  const [theirs, own] = [find(from.gitspaceId), find(target.gitspaceId)];
  const isOpen = (own?.ports[String(target.port)] ?? "private") !== "private";
  return theirs !== undefined && isOpen && theirs.owner === own?.owner ? origin : undefined;
}

/** Whether a browser asks first if it may (Fetch section 3.2.2). */
export function isPreflight(method: string, headers: IncomingHttpHeaders): boolean {
  return method === "OPTIONS" && headers.origin !== undefined && headers["access-control-request-method"] !== undefined;
}

/** Lets the page of a sibling read an answer of ours. */
export function letRead(response: ServerResponse, origin: string): ServerResponse {
  for (const [name, value] of readableBy(origin)) response.setHeader(name, value);
  return response;
}

/** The headers by which a page of this origin may read an answer. */
export function readableBy(origin: string): [string, string][] {
  return [
    ["Access-Control-Allow-Origin", origin],
    ["Access-Control-Allow-Credentials", "true"],
    ["Vary", "Origin"],
  ];
}

const PREFLIGHT_SECONDS = 600;

/** Answers a preflight of a sibling: what it asks for, it may. */
export function answerPreflight(headers: IncomingHttpHeaders, response: ServerResponse): void {
  const asked = headers["access-control-request-headers"];
  response.writeHead(204, {
    "Access-Control-Allow-Methods": String(headers["access-control-request-method"]),
    ...(asked === undefined ? {} : { "Access-Control-Allow-Headers": asked }),
    "Access-Control-Max-Age": PREFLIGHT_SECONDS,
    "Cache-Control": "no-store",
  });
  response.end();
}
