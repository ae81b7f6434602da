// Personal tokens: made, listed, revoked.
import type { CliContext } from "../program.ts";
import { columns } from "../columns.ts";
import { ago, moment } from "../moment.ts";
import { plain } from "../terminal.ts";
import { signedIn } from "./session.ts";

/** Makes a token and prints it alone on stdout, this once. */
export async function createToken(
  context: CliContext,
  options: { name: string; user?: string; days: number },
): Promise<void> {
  const { terminal } = context;
  const made = await signedIn(context).createToken({
    name: options.name,
    expires_in_days: options.days,
    ...(options.user === undefined ? {} : { user_identifier: options.user }),
  });
  if (terminal.json) return terminal.out(JSON.stringify(made));
  terminal.err(
    `${made.identifier} for ${made.user_identifier}, good until ${moment(made.expires_at)}. It is shown this once:`,
  );
  terminal.out(made.token);
}

/** Prints the tokens this person may see, without their secret. */
export async function listTokens(context: CliContext): Promise<void> {
  const { terminal } = context;
  const tokens = await signedIn(context).tokens();
  if (terminal.json) return terminal.out(JSON.stringify(tokens));
  const now = Date.now();
  const rows = tokens.map((each) => [
    each.identifier,
    plain(each.name),
    each.user_identifier,
    moment(each.expires_at),
    each.last_used === null ? "never" : ago(each.last_used, now),
  ]);
  const head = ["ID", "NAME", "USER", "EXPIRES", "LAST USED"];
  terminal.out(columns([head, ...rows], (cell, row) => (row === 0 ? terminal.paint("dim", cell) : cell)));
}

/** Ends a token at once. */
export async function revokeToken(context: CliContext, id: string): Promise<void> {
  await signedIn(context).revokeToken(id);
  context.terminal.out(context.terminal.json ? JSON.stringify({ identifier: id, revoked: true }) : `${id} is revoked.`);
}
