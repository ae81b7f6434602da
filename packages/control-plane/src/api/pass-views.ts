// Tokens and links as the public API shows them: never with their secret.
import type { AccessToken, PassUse, Share } from "@gitspaces/contracts";
import type { PassRow, PassUseRow } from "../store/sharing.ts";

export function shareView(row: PassRow): Share {
  const { id, name, path, created, expires_at, requests, last_used } = row;
  const [gitspace = ""] = list<string>(row.gitspaces) ?? [];
  const [port = 0] = list<number>(row.ports) ?? [];
  const methods = list<string>(row.methods);
  const made = { created, created_by: row.made_by, expires_at };
  return { identifier: id, gitspace_identifier: gitspace, port, path, methods, name, ...made, requests, last_used };
}

export function accessTokenView(row: PassRow): AccessToken {
  const { id, name, created, expires_at, requests, last_used } = row;
  const opens = { gitspace_identifiers: list<string>(row.gitspaces), ports: list<number>(row.ports) };
  return { identifier: id, name, ...opens, created, expires_at, requests, last_used };
}

export function passUseView({ gitspace, ...rest }: PassUseRow): PassUse {
  return { gitspace_identifier: gitspace, ...rest };
}

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the column's shape is the caller's to name
function list<T>(json: string | null): T[] | null {
  return json === null ? null : (JSON.parse(json) as T[]);
}
