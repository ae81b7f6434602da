// Teaches ssh, and every editor that uses it, the person's Gitspaces: `ssh gitspaces.<id>`.
import { rmSync } from "node:fs";
import { dirname } from "node:path";
import type { CliContext } from "../program.ts";
import { ownConfig, withInclude, withoutInclude } from "../ssh/config-text.ts";
import { type SshFolders, sshFolders } from "../ssh/folders.ts";
import { identityFile } from "../ssh/identity.ts";
import { readFileIfThere, writePrivateFile } from "../ssh/private-file.ts";
import { keepHostKeys, wayTo } from "../ssh/way.ts";
import { signedIn } from "./session.ts";

type Options = { remove?: boolean; dryRun?: boolean; websocket?: boolean };

/** Writes our file and the line that includes it, or takes both out. With `dryRun` only says what would be written. */
export async function configSsh(context: CliContext, options: Options): Promise<void> {
  const { terminal } = context;
  const folders = sshFolders(context.env);
  const present = readFileIfThere(folders.config) ?? "";
  if (options.remove === true) return remove(context, folders, present, options.dryRun === true);
  // Refused before anything is asked or written, when our marks are broken.
  const main = withInclude(present, folders.ownConfig);
  const api = signedIn(context);
  const [place, gitspaces] = [await api.sshPlace(), await api.gitspaces()];
  const ids = gitspaces.map(({ identifier }) => identifier);
  const identity = options.dryRun === true ? folders.ownKey : await identityFile(context, api, folders);
  const own = ownConfig(ids, wayTo(place, folders, identity, options.websocket === true));
  if (options.dryRun === true) return show(context, folders, own);
  keepHostKeys(place, folders);
  writePrivateFile(folders.ownConfig, own);
  if (main !== present) writePrivateFile(folders.config, main);
  if (terminal.json) return terminal.out(JSON.stringify({ config: folders.ownConfig, gitspaces: ids }));
  terminal.out(`Written: ${folders.ownConfig}, which ${folders.config} includes.`);
  for (const id of ids) terminal.out(`  ssh gitspaces.${id}`);
  terminal.err("Run this again after a Gitspace was made or deleted.");
}

function show({ terminal }: CliContext, folders: SshFolders, own: string): void {
  if (terminal.json) return terminal.out(JSON.stringify({ path: folders.ownConfig, text: own }));
  terminal.err(`Nothing is written. ${folders.ownConfig} would be, and included by ${folders.config}:`);
  terminal.out(own.trimEnd());
}

function remove({ terminal }: CliContext, folders: SshFolders, present: string, isTrial: boolean): void {
  const without = withoutInclude(present);
  const ours = dirname(folders.ownConfig);
  if (!isTrial) {
    if (without !== present) writePrivateFile(folders.config, without);
    rmSync(ours, { recursive: true, force: true });
  }
  if (terminal.json) return terminal.out(JSON.stringify({ removed: !isTrial, config: folders.config, folder: ours }));
  terminal.out(`${isTrial ? "Would be removed" : "Removed"}: ${ours} and what includes it in ${folders.config}.`);
}
