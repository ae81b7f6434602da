// Credentials of one host for one git command: a file in memory (0600) that git's own store reads, gone right after.
import { chownSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Secrets } from "@gitspaces/contracts";
import type { Account } from "./git.ts";

export type GitCredentials = Disposable & {
  /** Configuration arguments for git; they hold a path and no secret. */
  args: string[];
};

/** The line of git-credential-store for a repository's host, or nothing when there is no secret for exactly that host. */
export function credentialLine(url: string, secrets: Secrets): string | undefined {
  const { protocol, host } = new URL(url);
  const found = secrets.git.find((each) => each.host === host);
  if (found === undefined) return undefined;
  return `${protocol}//${encodeURIComponent(found.username)}:${encodeURIComponent(found.password)}@${host}\n`;
}

/**
 * Lends git the credentials of the repository's host. They are never in an argument, the environment or a URL.
 * `to`: the account that may read them, where it is not this agent's own; it cannot look into `runFolder`.
 */
export function lendCredentials(
  url: string,
  secrets: Secrets,
  { runFolder, to }: { runFolder: string; to?: Account | undefined },
): GitCredentials {
  const folder = `${runFolder}-git`;
  // What an agent that was killed had lent is taken back here.
  const takeBack = () => rmSync(folder, { recursive: true, force: true });
  takeBack();
  const line = credentialLine(url, secrets);
  if (line === undefined) return { args: [], [Symbol.dispose]: () => {} };
  mkdirSync(folder, { mode: 0o700 });
  const file = join(folder, "credentials");
  writeFileSync(file, line, { mode: 0o600, flag: "wx" });
  if (to !== undefined && process.getuid?.() === 0) for (const path of [file, folder]) chownSync(path, to.uid, to.gid);
  return { args: ["-c", `credential.helper=store --file=${file}`], [Symbol.dispose]: takeBack };
}
