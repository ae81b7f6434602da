// Credentials of one host for one git command: a file in memory (0600) that git's own store reads, gone right after.
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Secrets } from "@gitspaces/contracts";

export type GitCredentials = Disposable & {
  /** Configuration arguments for git; they hold a path and no secret. */ args: string[];
};

/** The line of git-credential-store for a repository's host, or nothing when there is no secret for exactly that host. */
export function credentialLine(url: string, secrets: Secrets): string | undefined {
  const { protocol, host } = new URL(url);
  const found = secrets.git.find((each) => each.host === host);
  if (found === undefined) return undefined;
  return `${protocol}//${encodeURIComponent(found.username)}:${encodeURIComponent(found.password)}@${host}\n`;
}

/** Lends git the credentials of the repository's host. They are never in an argument, the environment or a URL. */
export function lendCredentials(url: string, secrets: Secrets, runFolder: string): GitCredentials {
  const line = credentialLine(url, secrets);
  if (line === undefined) return { args: [], [Symbol.dispose]: () => {} };
  const file = join(runFolder, "git-credentials");
  writeFileSync(file, line, { mode: 0o600 });
  return {
    args: ["-c", `credential.helper=store --file=${file}`],
    [Symbol.dispose]: () => rmSync(file, { force: true }),
  };
}
