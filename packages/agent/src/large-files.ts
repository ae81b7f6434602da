// Files of Git LFS in a fresh clone: their contents where git-lfs is installed, a word about their pointers where it is not.
import type { Cloning } from "./clone.ts";
import { gitFrom } from "./clone-command.ts";
import { git } from "./git.ts";
import type { Work } from "./work.ts";

/** The filter as git-lfs sets it up, for this one command: the clone's own configuration stays without it. */
const FILTER = [
  "-c",
  "filter.lfs.clean=git-lfs clean -- %f",
  "-c",
  "filter.lfs.smudge=git-lfs smudge -- %f",
  "-c",
  "filter.lfs.process=git-lfs filter-process",
  "-c",
  "filter.lfs.required=true",
] as const;

/** Fetches what the pointers in the clone at `folder` stand for. */
export async function fetchLargeFiles(work: Work, cloning: Cloning, folder: string): Promise<void> {
  const { env, as, repository } = cloning;
  const call = { cwd: folder, env, signal: work.signal, as };
  const pointers = await git(["ls-files", "--", ":(attr:filter=lfs)"], call);
  const [first] = pointers.output;
  if (pointers.code !== 0 || first === undefined) return;
  if ((await git(["lfs", "version"], call)).code !== 0) {
    work.emit("note", `git-lfs is not installed here: ${first} and others like it are pointers. Run: git lfs pull`);
    return;
  }
  work.emit("log", "Fetching large files (Git LFS)");
  const { code, output } = await gitFrom(work, cloning, repository.url, folder, [...FILTER, "lfs", "pull"]);
  if (code !== 0)
    work.emit(
      "note",
      `Large files could not be fetched: ${output.at(-1) ?? "git-lfs gave no reason"}. Run: git lfs pull`,
    );
}
