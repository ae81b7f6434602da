// Who the person is to git: written into their own configuration, once, and only what they have not set themselves.
import type { Ended } from "./command.ts";

/** Runs git in the person's place, outside of any repository, with their configuration. */
export type RunGit = (args: readonly string[]) => Promise<Ended>;

/** Sets `user.name` and `user.email` globally where nobody has; gives whether something was set. */
export async function ensureGitIdentity(runGit: RunGit, author: { name: string; email: string }): Promise<boolean> {
  let changed = false;
  for (const [key, value] of [
    ["user.name", author.name],
    ["user.email", author.email],
  ] as const) {
    if (value === "" || (await runGit(["config", "--includes", "--get", key])).code === 0) continue;
    changed = (await runGit(["config", "--global", key, value])).code === 0 || changed;
  }
  return changed;
}
