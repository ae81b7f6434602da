// The repository in its place: cloned once, as a whole or not at all.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { FailureError, type GitspaceTask, type Secrets } from "@gitspaces/contracts";
import { failpoint } from "@gitspaces/daemon";
import type { ChildEnvironment } from "./child-environment.ts";
import { cloneRepository, makeEmpty } from "./clone-command.ts";
import type { Account } from "./git.ts";
import { OWN_FOLDER } from "./home-disk.ts";
import { fetchLargeFiles } from "./large-files.ts";
import type { HostRule } from "./repository-host.ts";
import { fetchSubmodules } from "./submodules.ts";
import type { Work } from "./work.ts";

export type Cloning = {
  repository: Extract<GitspaceTask, { type: "gitspace.start" }>["data"]["repository"];
  author: { name: string; email: string };
  secrets: Secrets;
  home: string;
  runFolder: string;
  env: ChildEnvironment;
  /** The folder in which the repository gets its own; the home folder otherwise. */
  parent?: string;
  /** Whose the clone is and with whose rights git works, where that is not this agent; it also keeps git from the home folder. */
  as?: Account;
  /** Fills an empty folder from what this VM holds of the repository; gives whether it could. */
  prepared?: (work: Work, cloning: Cloning, into: string) => Promise<boolean>;
  /** Everything may be cloned from that is no metadata service, otherwise. */
  hosts?: HostRule;
};

/** `fresh` when this task made it: nobody has worked in it yet. */
export type Clone = { folder: string; fresh: boolean };

/** The folder name of a repository: the last part of its URL without `.git`, of plain characters, never hidden. */
export function repositoryName(url: string): string {
  let last = basename(new URL(url).pathname);
  try {
    last = decodeURIComponent(last);
  } catch {
    // A stray percent sign: it is replaced below like every other odd character.
  }
  const plain = last
    .replace(/\.git$/, "")
    .replaceAll(/[^A-Za-z0-9._-]+/g, "-")
    .replace(/^[.-]+/, "")
    .slice(0, 100);
  return plain === "" ? "workspace" : plain;
}

/** Where the repository stands in its parent folder. */
export function repositoryFolder(parent: string, url: string): string {
  return join(parent, repositoryName(url));
}

/**
 * Sees that the repository stands in its place, and gives its folder. One that is there is left as the person left it.
 * @throws {FailureError} `repository_unreachable`, `bad_request` for a branch or host that cannot be had, or `disk_full`.
 */
export async function ensureClone(work: Work, cloning: Cloning): Promise<Clone> {
  const { repository, parent = cloning.home } = cloning;
  const folder = repositoryFolder(parent, repository.url);
  const half = halfClone(cloning, work.task.id);
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    if (!existsSync(join(folder, ".git"))) work.emit("note", `${folder} is there already and is no git repository.`);
    return { folder, fresh: false };
  }
  work.emit("agent_clone_start", `Cloning ${repository.url}`);
  try {
    makeEmpty(half, cloning.as);
    if ((await cloning.prepared?.(work, cloning, half)) !== true) {
      if (cloning.prepared !== undefined) makeEmpty(half, cloning.as);
      await cloneRepository(work, cloning, half);
    }
    failpoint("agent.afterCheckout");
    await fetchSubmodules(work, cloning, half);
    failpoint("agent.afterSubmodules");
    await fetchLargeFiles(work, cloning, half);
    failpoint("agent.afterHalfClone");
    renameSync(half, folder);
    failpoint("agent.afterClone");
  } catch (error) {
    rmSync(half, { recursive: true, force: true });
    if (!work.signal.aborted)
      work.emit("agent_clone_failed", error instanceof FailureError ? error.message : "git could not be run");
    throw error;
  }
  work.emit("agent_clone_completed", `Cloned into ${folder}`, { folder });
  return { folder, fresh: true };
}

/** Where a clone grows, on the disk of its place. What earlier tasks left half done goes. */
function halfClone({ home, parent = home, as }: Cloning, taskId: string): string {
  const own = join(home, OWN_FOLDER);
  mkdirSync(own, { recursive: true, mode: 0o700 });
  // Another account cannot reach into our own folder; beside the clones nobody else writes.
  const [place, prefix] = as === undefined ? [own, "clone-"] : [parent, ".clone-"];
  mkdirSync(place, { recursive: true });
  for (const name of readdirSync(place)) {
    if (name.startsWith(prefix)) rmSync(join(place, name), { recursive: true, force: true });
  }
  return join(place, `${prefix}${taskId}`);
}
