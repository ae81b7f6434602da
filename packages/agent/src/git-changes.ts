// Whether something in a repository would be lost with its disk: edits, stashes, or commits that no remote has.
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ChildEnvironment } from "./child-environment.ts";
import { git } from "./git.ts";

const questions = [
  ["status", "--porcelain", "--untracked-files=normal"],
  ["stash", "list"],
  ["rev-list", "--max-count=1", "HEAD", "--branches", "--not", "--remotes"],
] as const;

const LOOK_DEADLINE_MS = 10_000;

/** True when the repository holds work that is nowhere else. A folder without a repository has none; one git cannot read counts as changed. */
export async function hasGitChanges(folder: string | undefined, env: ChildEnvironment): Promise<boolean> {
  if (folder === undefined || !existsSync(join(folder, ".git"))) return false;
  const signal = AbortSignal.timeout(LOOK_DEADLINE_MS);
  const ask = async (question: readonly string[]) => {
    const args = ["-c", "safe.directory=*", ...question];
    const { code, output } = await git(args, { cwd: folder, env, signal });
    // A repository without any commit has no HEAD to list from.
    const empty = question[0] === "rev-list" && code !== 0;
    return !empty && (code !== 0 || output.length > 0);
  };
  try {
    return (await Promise.all(questions.map(ask))).includes(true);
  } catch {
    return true;
  }
}
