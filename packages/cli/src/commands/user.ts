// Users, made by an administrator.
import type { CliContext } from "../program.ts";
import { plain } from "../terminal.ts";
import { signedIn } from "./session.ts";

/** Makes a user. */
export async function createUser(
  context: CliContext,
  identifier: string,
  options: { name: string; email: string },
): Promise<void> {
  const { terminal } = context;
  const user = await signedIn(context).createUser({ identifier, display_name: options.name, email: options.email });
  if (terminal.json) return terminal.out(JSON.stringify(user));
  terminal.out(`${user.identifier} is made: ${plain(user.display_name)} <${plain(user.email)}>.`);
  terminal.err(`Give them a token with: gitspaces token create --name NAME --user ${user.identifier}`);
}
