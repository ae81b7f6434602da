// git, as the agent runs it: nothing of the machine's or the person's configuration, no prompt, no protocol but http and https.
import type { ChildEnvironment } from "./child-environment.ts";
import { type Ended, run } from "./command.ts";

type Git = {
  cwd: string;
  env: ChildEnvironment;
  signal: AbortSignal;
  onLine?: (line: string) => void;
};

const ALWAYS = [
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
export async function git(args: readonly string[], { cwd, env, signal, onLine }: Git): Promise<Ended> {
  return await run({
    program: "git",
    args: [...ALWAYS, ...args],
    cwd,
    env: gitEnvironment(env),
    signal,
    ...(onLine === undefined ? {} : { onLine }),
  });
}
