// SSH keys of a person: added, listed, removed.
import { fail } from "@gitspaces/contracts";
import { text } from "node:stream/consumers";
import { columns } from "../columns.ts";
import { moment } from "../moment.ts";
import type { CliContext } from "../program.ts";
import { readFileIfThere } from "../ssh/private-file.ts";
import { plain } from "../terminal.ts";
import { signedIn } from "./session.ts";

/** Registers the public key in a file, or on stdin for `-`. */
export async function addSshKey(context: CliContext, file: string, { name }: { name?: string }): Promise<void> {
  const { terminal } = context;
  const line = file === "-" ? await text(terminal.stdin) : readFileIfThere(file);
  if (line === undefined) throw fail("bad_request", `There is no ${file}. Make a key with: ssh-keygen -t ed25519`);
  if (/PRIVATE KEY/.test(line))
    throw fail("bad_request", `${file} is a private key, which nobody else should ever have. Give the one in .pub.`);
  const key = await signedIn(context).addSshKey({ public_key: line.trim(), ...(name === undefined ? {} : { name }) });
  if (terminal.json) return terminal.out(JSON.stringify(key));
  terminal.out(`${plain(key.name)} (${key.fingerprint}) opens your Gitspaces.`);
}

/** Prints this person's keys. */
export async function listSshKeys(context: CliContext): Promise<void> {
  const { terminal } = context;
  const keys = await signedIn(context).sshKeys();
  if (terminal.json) return terminal.out(JSON.stringify(keys));
  const rows = keys.map((each) => [
    each.identifier,
    plain(each.name),
    plain(each.type),
    plain(each.fingerprint),
    moment(each.created),
  ]);
  const head = ["ID", "NAME", "TYPE", "FINGERPRINT", "ADDED"];
  terminal.out(columns([head, ...rows], (cell, row) => (row === 0 ? terminal.paint("dim", cell) : cell)));
}

/** Removes a key, named by its identifier, its fingerprint or a name that only one has; sessions opened with it end. */
export async function removeSshKey(context: CliContext, reference: string): Promise<void> {
  const { terminal } = context;
  const api = signedIn(context);
  const keys = await api.sshKeys();
  const exact = keys.filter((key) => key.identifier === reference || key.fingerprint === reference);
  const meant = exact.length > 0 ? exact : keys.filter((key) => key.name === reference);
  const [key] = meant;
  if (key === undefined) throw fail("not_found", `There is no SSH key ${reference}. See them: gitspaces ssh-key list`);
  if (meant.length > 1) throw fail("bad_request", `Several keys are named ${reference}: give an ID instead.`);
  await api.removeSshKey(key.identifier);
  terminal.out(
    terminal.json
      ? JSON.stringify({ identifier: key.identifier, removed: true })
      : `${plain(key.name)} (${key.fingerprint}) opens nothing any more.`,
  );
}
