// Which key this person logs in with: one that is registered already, one of theirs that they agree to, or one made for it.
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { fail, FailureError, type SshKey } from "@gitspaces/contracts";
import type { Api } from "../api.ts";
import { confirm } from "../confirm.ts";
import type { CliContext } from "../program.ts";
import { plain } from "../terminal.ts";
import type { SshFolders } from "./folders.ts";
import { readFileIfThere } from "./private-file.ts";

type Candidate = { file: string; line: string };

/** The private key to log in with; its public half is registered when this returns. Says on stderr what it did for that. */
export async function identityFile(context: CliContext, api: Api, folders: SshFolders): Promise<string> {
  const registered = await api.sshKeys();
  const own = candidate(folders.ownKey);
  const theirs = candidates(folders.ssh);
  const known = [...theirs, ...(own === undefined ? [] : [own])].find(({ line }) => isOneOf(registered, line));
  if (known !== undefined) return known.file;
  const offered = own === undefined ? theirs[0] : undefined;
  if (offered !== undefined && (await agrees(context, offered.file))) return await register(context, api, offered);
  return await register(context, api, own ?? (await makeKey(context, folders.ownKey)));
}

/** Nobody's key is given away unasked: without a person to ask one is made. */
async function agrees(context: CliContext, file: string): Promise<boolean> {
  if (!context.terminal.interactive || context.terminal.json) return false;
  try {
    await confirm(context, `Register ${file}.pub for your Gitspaces? Otherwise a key is made. [y/N] `, "no");
    return true;
  } catch (error) {
    if (error instanceof FailureError && error.failure.code === "cancelled" && !context.signal.aborted) return false;
    throw error;
  }
}

async function register({ terminal }: CliContext, api: Api, { file, line }: Candidate): Promise<string> {
  const key = await api.addSshKey({ public_key: line, name: `${hostname()} (gitspaces)`.slice(0, 100) });
  terminal.err(`Registered ${file}.pub as ${plain(key.name)} (${key.fingerprint}).`);
  return file;
}

/** Makes a key without a passphrase: it opens this person's Gitspaces and nothing else. */
async function makeKey({ signal }: CliContext, file: string): Promise<Candidate> {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const options = ["-q", "-t", "ed25519", "-N", "", "-C", `gitspaces@${hostname()}`, "-f", file];
  try {
    await promisify(execFile)("ssh-keygen", options, { signal });
  } catch (cause) {
    throw fail("unsupported", `ssh-keygen could not make ${file}. Is OpenSSH's client installed?`, { cause });
  }
  return candidate(file) ?? giveUp(file);
}

function giveUp(file: string): never {
  throw fail("internal", `${file}.pub is not there, though ssh-keygen has just made it.`);
}

/** The keys of ~/.ssh that ssh itself would offer, Ed25519 first. */
function candidates(folder: string): Candidate[] {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const files = names.filter((name) => /^id_[A-Za-z0-9_-]+\.pub$/.test(name)).map((name) => name.slice(0, -4));
  return files
    .toSorted((a, b) => Number(!a.includes("ed25519")) - Number(!b.includes("ed25519")) || a.localeCompare(b))
    .flatMap((name) => candidate(join(folder, name)) ?? []);
}

function candidate(file: string): Candidate | undefined {
  const line = existsSync(file) ? readFileIfThere(`${file}.pub`)?.trim() : undefined;
  return line === undefined ? undefined : { file, line };
}

function isOneOf(registered: readonly SshKey[], line: string): boolean {
  const bare = line.split(/\s+/).slice(0, 2).join(" ");
  return registered.some(({ public_key }) => public_key === bare);
}
