// Carries ssh's connection to a Gitspace over HTTP: the ProxyCommand of `gitspaces config-ssh --websocket`.
import { fail, GitspaceId, parse, SSH_WEBSOCKET_PATH } from "@gitspaces/contracts";
import type { CliContext } from "../program.ts";
import { findGitspace } from "../reference.ts";
import { carry } from "../ssh/carry.ts";
import { signedIn } from "./session.ts";

/** Stdin and stdout are the connection. With `gateway` nobody else is asked, so it works while the control plane is away. */
export async function sshProxy(
  context: CliContext,
  reference: string,
  { gateway }: { gateway?: string },
): Promise<void> {
  const { terminal, env, signal } = context;
  const base =
    gateway === undefined ? (await findGitspace(signedIn(context), reference)).url : hostOf(gateway, reference);
  const url = new URL(SSH_WEBSOCKET_PATH, base);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  await carry(url, { input: terminal.stdin, output: process.stdout }, env, signal);
  // Whoever holds the other end of stdin open must not keep this process.
  terminal.stdin.destroy();
}

function hostOf(gateway: string, id: string): string {
  if (!URL.canParse(gateway) || !/^https?:$/.test(new URL(gateway).protocol))
    throw fail("bad_request", "--gateway should be an http or https URL.");
  const url = new URL(gateway);
  url.hostname = `${parse(GitspaceId, id, "Gitspace")}.${url.hostname}`;
  return url.href;
}
