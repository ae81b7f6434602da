// git, as the agent runs it: nothing of the machine's or the person's configuration, no prompt, no protocol but http and https.
import type { ChildEnvironment } from "./child-environment.ts";
import { type Ended, run } from "./command.ts";

/** An account without privileges, by its numbers: it need not have a name in this VM. */
export type Account = { uid: number; gid: number };

export type GitCall = {
  cwd: string;
  env: ChildEnvironment;
  /** Added to the environment, over what it has. */
  also?: Record<string, string>;
  signal: AbortSignal;
  onLine?: (line: string) => void;
  /** Whose rights git has, where this agent is root; its own otherwise. */
  as?: Account | undefined;
};

/** Configuration of a repository that would run a program, overruled; filters and diff drivers have names, see git-changes.ts. */
export const RUNS_NOTHING = [
  "-c",
  "protocol.ext.allow=never",
  "-c",
  "protocol.file.allow=never",
  "-c",
  "core.hooksPath=/dev/null",
  "-c",
  "core.fsmonitor=false",
  "-c",
  "credential.helper=",
  "-c",
  "core.sshCommand=false",
  "-c",
  "core.askPass=",
  "-c",
  "core.gitProxy=",
  "-c",
  "core.alternateRefsCommand=",
  "-c",
  "core.pager=cat",
  "-c",
  "core.editor=false",
  "-c",
  "diff.external=",
  "-c",
  "gpg.program=false",
  "-c",
  "gpg.ssh.program=false",
  "-c",
  "gpg.x509.program=false",
  "-c",
  "log.showSignature=false",
  "-c",
  "maintenance.auto=false",
  "-c",
  "gc.auto=0",
] as const;

/** The environment of a git that asks nobody and trusts no configuration but the repository's own. */
export function gitEnvironment(env: ChildEnvironment): ChildEnvironment {
  return {
    ...env,
    LC_ALL: "C",
    GIT_TERMINAL_PROMPT: "0",
    GIT_ALLOW_PROTOCOL: "https:http",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_OPTIONAL_LOCKS: "0",
  };
}

/** Runs git with arguments as given. */
export async function git(args: readonly string[], { cwd, env, also, signal, onLine, as }: GitCall): Promise<Ended> {
  const [program = "", ...all] = [...privilegesOf(as), "git", ...RUNS_NOTHING, ...args];
  return await run({
    program,
    args: all,
    cwd,
    env: { ...gitEnvironment(as === undefined ? env : plainEnvironment(env)), ...also },
    signal,
    ...(onLine === undefined ? {} : { onLine }),
  });
}

/** What goes before a command so that it runs with an account's rights, where this agent is root. */
export function privilegesOf(as: Account | undefined): string[] {
  if (as === undefined || process.getuid?.() !== 0) return [];
  return ["setpriv", `--reuid=${as.uid}`, `--regid=${as.gid}`, "--clear-groups", "--no-new-privs", "--"];
}

/** Nothing of the person's home: no `.netrc`, and no program of theirs in front of ours. */
function plainEnvironment(env: ChildEnvironment): ChildEnvironment {
  const home = `${env["HOME"] ?? ""}/`;
  const path = (env["PATH"] ?? "").split(":").filter((folder) => !`${folder}/`.startsWith(home));
  return { ...env, HOME: "/nonexistent", XDG_CONFIG_HOME: "/nonexistent", PATH: path.join(":") };
}
