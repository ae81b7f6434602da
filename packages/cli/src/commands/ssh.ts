// Logs in to a Gitspace with the system's own ssh: a shell, or one command.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { fail } from "@gitspaces/contracts";
import type { CliContext, Ending } from "../program.ts";
import { findGitspace } from "../reference.ts";
import { wayOptions } from "../ssh/config-text.ts";
import { sshFolders } from "../ssh/folders.ts";
import { identityFile } from "../ssh/identity.ts";
import { keepHostKeys, wayTo } from "../ssh/way.ts";
import { signedIn } from "./session.ts";

type Options = { websocket?: boolean; forwardAgent?: boolean; forward?: string[] };

/** Runs ssh with this terminal. The command's words are ssh's to join, and a shell's in the Gitspace to read. Ends with ssh's exit code. */
export async function ssh(
  context: CliContext,
  reference: string,
  command: readonly string[],
  options: Options,
): Promise<Ending> {
  const { terminal, env } = context;
  const api = signedIn(context);
  const { identifier, state } = await findGitspace(api, reference);
  const place = await api.sshPlace();
  const folders = sshFolders(env);
  const identity = await identityFile(context, api, folders);
  keepHostKeys(place, folders);
  if (state !== "running") terminal.err(`${identifier} is ${state}: it is started, which may take a while.`);
  const way = wayTo(place, folders, identity, options.websocket === true);
  // Given on the command line they stand over ~/.ssh/config, of which everything else still holds.
  const args = [
    ...wayOptions(way).flatMap(([name, value]) => ["-o", `${name}=${value}`]),
    "-o",
    `User=${identifier}`,
    ...(options.forwardAgent === true ? ["-A"] : []),
    ...(options.forward ?? []).flatMap((each) => ["-L", each]),
    `gitspaces.${identifier}`,
    ...(command.length === 0 ? [] : ["--", ...command]),
  ];
  const child = spawn("ssh", args, { stdio: "inherit", env });
  const [code, signal] = await (once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>).catch(
    (cause) => {
      throw fail("unsupported", "ssh cannot be run. Install OpenSSH's client (openssh-client).", { cause });
    },
  );
  return { exitCode: code ?? 128 + constants.signals[signal ?? "SIGTERM"] };
}
