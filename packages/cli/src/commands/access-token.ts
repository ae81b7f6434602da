// Access tokens: what programs send to reach one's Gitspaces. Made, listed, revoked.
import type { CliContext } from "../program.ts";
import { columns } from "../columns.ts";
import { ago, moment } from "../moment.ts";
import { findGitspace } from "../reference.ts";
import { plain } from "../terminal.ts";
import { signedIn } from "./session.ts";

export type AccessTokenOptions = { name: string; gitspace?: string[]; port?: number[]; days: number };

/** Makes a token and prints it alone on stdout, this once. */
export async function createAccessToken(context: CliContext, options: AccessTokenOptions): Promise<void> {
  const { terminal } = context;
  const api = signedIn(context);
  const { name, gitspace = [], port = [], days } = options;
  const ids = await Promise.all(gitspace.map(async (each) => (await findGitspace(api, each)).identifier));
  const made = await api.createAccessToken({
    name,
    ...(ids.length === 0 ? {} : { gitspace_identifiers: ids }),
    ...(port.length === 0 ? {} : { ports: port }),
    expires_in_days: days,
  });
  if (terminal.json) return terminal.out(JSON.stringify(made));
  terminal.err(`${made.identifier}, good until ${moment(made.expires_at)}. It is shown this once:`);
  terminal.out(made.token);
}

/** Prints one's access tokens, without their secret. */
export async function listAccessTokens(context: CliContext): Promise<void> {
  const { terminal } = context;
  const tokens = await signedIn(context).accessTokens();
  if (terminal.json) return terminal.out(JSON.stringify(tokens));
  const now = Date.now();
  const rows = tokens.map((each) => [
    each.identifier,
    plain(each.name),
    each.gitspace_identifiers?.join(",") ?? "all",
    each.ports?.join(",") ?? "all but the IDE",
    moment(each.expires_at),
    each.last_used === null ? "never" : ago(each.last_used, now),
  ]);
  const head = ["ID", "NAME", "GITSPACES", "PORTS", "EXPIRES", "LAST USED"];
  terminal.out(columns([head, ...rows], (cell, row) => (row === 0 ? terminal.paint("dim", cell) : cell)));
}

/** Ends an access token at once. */
export async function revokeAccessToken(context: CliContext, id: string): Promise<void> {
  await signedIn(context).revokeAccessToken(id);
  context.terminal.out(context.terminal.json ? JSON.stringify({ identifier: id, revoked: true }) : `${id} is revoked.`);
}
