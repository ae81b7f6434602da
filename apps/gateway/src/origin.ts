// Sibling Gitspaces are same-site, so SameSite does not keep them apart: the exact origin does.
import type { IncomingHttpHeaders } from "node:http";

type Asking = {
  method: string;
  headers: IncomingHttpHeaders;
  isUpgrade: boolean;
  ownOrigin: string;
  hasSession: boolean;
  /** Its origin, when a page of one's other ports is behind it that may. */
  sibling?: string | undefined;
};

/** Whether a page of another origin is behind this request. Reads are let through; browsers keep their answers apart. */
export function isForeign({ method, headers, isUpgrade, ownOrigin, hasSession, sibling }: Asking): boolean {
  if (!isUpgrade && ["GET", "HEAD", "OPTIONS"].includes(method)) return false;
  const site = headers["sec-fetch-site"];
  if (sibling !== undefined) return site !== undefined && site !== "same-site";
  if (site !== undefined && site !== "same-origin" && site !== "none") return true;
  if (headers.origin !== undefined) return headers.origin !== ownOrigin;
  // A browser always names its origin on an upgrade; a cookie without one is not a browser's.
  return isUpgrade && hasSession;
}
