// Our cookies on a Gitspace's host: their names, how they are read, and how a Gitspace never sees them.

/** More cookies of links are not looked at: each costs a signature. */
const MOST_LINKS = 12;

export type CookieNames = { session: string; nonce: string; secure: boolean };

/** Over https the prefixes bind cookies to the host (RFC 6265bis section 4.1.3); plain http has only host-only cookies. */
export function cookieNames(installation: string, scheme: string): CookieNames {
  if (scheme === "https")
    return { session: `__Host-gs-${installation}`, nonce: `__Secure-gs-nonce-${installation}`, secure: true };
  return { session: `gs-${installation}`, nonce: `gs-nonce-${installation}`, secure: false };
}

/** Whether a cookie of this name belongs to the gateway, over http or https. */
export function ownCookie(name: string, installation: string): boolean {
  const bare = name
    .trim()
    .replace(/^__(?:host|secure)-/i, "")
    .toLowerCase();
  return (
    bare === `gs-${installation}` || bare === `gs-nonce-${installation}` || bare.startsWith(`gs-link-${installation}-`)
  );
}

/** The name of the cookie that a browser has after it opened a link. */
export function linkCookieName(pass: string, installation: string, secure: boolean): string {
  return `${secure ? "__Host-" : ""}gs-link-${installation}-${pass}`;
}

/** The values of the cookies of links; what they open is in them, signed. `secure`: only of names that no sibling can set. */
export function linkCookies(header: string | undefined, installation: string, secure: boolean): string[] {
  const begin = linkCookieName("", installation, secure);
  const values: string[] = [];
  for (const pair of (header ?? "").split(";")) {
    const [, name = "", value = ""] = /^\s*([^=\s]+)=(\S*)\s*$/.exec(pair) ?? [];
    if (name.startsWith(begin)) values.push(value);
  }
  return values.slice(0, MOST_LINKS);
}

/** A `Cookie` header without the gateway's own cookies; empty when nothing is left. */
export function withoutOwnCookies(header: string, installation: string): string {
  const others = header.split(";").filter((pair) => !ownCookie(pair.split("=")[0] ?? "", installation));
  return others
    .map((pair) => pair.trim())
    .filter((pair) => pair !== "")
    .join("; ");
}

/** Every value of a cookie. A sibling host can add one of the same name in front, so the first need not be ours. */
export function cookieValues(header: string | undefined, name: string): string[] {
  const values: string[] = [];
  for (const pair of (header ?? "").split(";")) {
    const equals = pair.indexOf("=");
    if (equals > 0 && pair.slice(0, equals).trim() === name) values.push(pair.slice(equals + 1).trim());
  }
  return values.slice(0, 4);
}

type Attributes = { path: string; maxAgeSeconds: number; secure: boolean };

/** A `Set-Cookie` value: host-only, HttpOnly, SameSite=Lax. An age of 0 removes the cookie. */
export function setCookie(name: string, value: string, { path, maxAgeSeconds, secure }: Attributes): string {
  return `${name}=${value}; Path=${path}; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Lax${secure ? "; Secure" : ""}`;
}
