// What git asks a credential helper, and which secret answers it. Pure.
import type { Secrets } from "@gitspaces/contracts";

export type CredentialRequest = { protocol: string; host: string; path?: string; username?: string };
/** What a start brought: its secrets, and the URL of the repository they came with. */
export type Given = { secrets: Secrets; repository: string };

/** Reads git's `key=value` lines. Nothing when they are not a request that names protocol and host once and plainly. */
export function readRequest(text: string): CredentialRequest | undefined {
  const values = new Map<string, string>();
  for (const line of text.split("\n")) {
    if (line === "") break;
    const cut = line.indexOf("=");
    const key = line.slice(0, Math.max(cut, 0));
    // Keys that end in brackets come several times; nothing here reads them.
    if (cut < 1 || /[\0\r]/.test(line) || (!key.endsWith("[]") && values.has(key))) return undefined;
    values.set(key, line.slice(cut + 1));
  }
  const protocol = values.get("protocol");
  const host = values.get("host");
  const path = values.get("path");
  const username = values.get("username");
  if (protocol === undefined || host === undefined) return undefined;
  return { protocol, host, ...(path === undefined ? {} : { path }), ...(username === undefined ? {} : { username }) };
}

/**
 * The credentials for exactly this host and port. Over http only when the repository itself is http; for a path, where git
 * tells one (`credential.useHttpPath`), only when it is the repository's; for a user, only when it is that one.
 */
export function credentialFor(
  { protocol, host, path, username }: CredentialRequest,
  { secrets, repository }: Given,
): { username: string; password: string } | undefined {
  const own = new URL(repository);
  const asked = canonicalHost(protocol, host);
  const found = secrets.git.find((each) => asked !== undefined && canonicalHost(protocol, each.host) === asked);
  if (found === undefined) return undefined;
  const isOwnHost = canonicalHost(protocol, own.host) === asked;
  if (protocol !== "https" && !(protocol === "http" && own.protocol === "http:" && isOwnHost)) return undefined;
  if (path !== undefined && !(isOwnHost && plainPath(path) === plainPath(own.pathname.slice(1)))) return undefined;
  if (username !== undefined && username !== found.username) return undefined;
  return /[\n\r\0]/.test(found.username + found.password)
    ? undefined
    : { username: found.username, password: found.password };
}

/** `Git.Example.com:443` → `git.example.com`; nothing for what is more, or less, than a host with a port. */
function canonicalHost(protocol: string, host: string): string | undefined {
  if (!/^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i.test(host)) return undefined;
  const url = `${protocol}://${host}/`;
  return /^https?$/.test(protocol) && URL.canParse(url) ? new URL(url).host : undefined;
}

function plainPath(path: string): string {
  return path
    .replace(/\/info\/lfs(?:\/.*)?$/, "")
    .replace(/\/+$/, "")
    .replace(/\.git$/, "");
}
