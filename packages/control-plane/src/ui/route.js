// Which view an address means, and which addresses may be gone to after signing in. Pure.

/** `/gitspaces/hello-k3v9x2` → the details of that Gitspace; everything else is the list. */
export function readRoute(pathname) {
  const found = /^\/gitspaces\/([a-z0-9-]{1,47})\/?$/.exec(pathname);
  return found === null ? { view: "list" } : { view: "details", id: found[1] };
}

/** The path of `?next=` if it stays on this origin: it begins with one slash and no browser reads it as another host. */
export function readNext(search, origin) {
  const next = new URLSearchParams(search).get("next");
  // Browsers drop tabs and line breaks from addresses, and take a backslash for a slash.
  if (next === null || !/^\/(?![/\\])/.test(next) || /[\u0000-\u001f\\]/.test(next)) return undefined;
  return new URL(next, origin).origin === origin ? next : undefined;
}
