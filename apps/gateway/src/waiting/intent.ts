// What a request means for a Gitspace that does not run, decided purely: a person or their program wants it, or something of an open
// window asks by itself.
import type { IncomingHttpHeaders } from "node:http";

/**
 * `page`: a person goes there; it is started, and a page tells how far it is.
 * `look`: something shows it that nobody asked for just now; the page is shown, and nothing is started.
 * `hold`: a program asks; it is started, and the request waits for it.
 * `background`: an open window asks by itself; it is told at once, and nothing is started.
 */
export type Intent = "page" | "look" | "hold" | "background";

type Asking = { method: string; url: string; headers: IncomingHttpHeaders; isUpgrade: boolean };

/** What an editor that lost its connection asks for, whatever else it says. */
const reconnection = /[?&](?:reconnectionToken|reconnection=true)\b/;

/** The intent of an admitted request. Metadata of browsers (Fetch Metadata, W3C) is believed where there is any. */
export function intentOf({ method, url, headers, isUpgrade }: Asking): Intent {
  if (isUpgrade || reconnection.test(url) || method === "OPTIONS") return "background";
  if (isFetchedAhead(headers)) return "background";
  return isOfBrowser(headers) ? intentOfBrowser(method, headers) : intentOfOther(method, headers);
}

/** Only browsers say from which site and for what a request is; Node's own `fetch` says its mode alone. */
function isOfBrowser(headers: IncomingHttpHeaders): boolean {
  return headers["sec-fetch-site"] !== undefined || headers["sec-fetch-dest"] !== undefined;
}

function intentOfBrowser(method: string, headers: IncomingHttpHeaders): Intent {
  if (headers["sec-fetch-mode"] !== "navigate") return "background";
  const isByPerson = headers["sec-fetch-user"] === "?1";
  if (method !== "GET" && method !== "HEAD") return isByPerson ? "hold" : "background";
  const { "sec-fetch-dest": dest = "document", "sec-fetch-site": site } = headers;
  if (dest !== "document") return "look";
  // A page that loads itself again; one that a person has loaded again says so, where the browser can.
  return site === "same-origin" && !isByPerson ? "look" : "page";
}

/** A program, or a browser that sees no secure origin and so tells nothing. */
function intentOfOther(method: string, headers: IncomingHttpHeaders): Intent {
  const isRead = method === "GET" || method === "HEAD";
  if (isRead && (headers.accept ?? "").includes("text/html")) return "page";
  return (headers["user-agent"] ?? "").startsWith("Mozilla/") ? "background" : "hold";
}

function isFetchedAhead(headers: IncomingHttpHeaders): boolean {
  return ["sec-purpose", "purpose", "x-moz"].some((name) => String(headers[name] ?? "").includes("pre"));
}
