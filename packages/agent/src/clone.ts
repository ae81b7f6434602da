// The repository in the home folder: cloned once, as a whole or not at all.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { fail, FailureError, type Secrets } from "@gitspaces/contracts";
import { failpoint } from "@gitspaces/daemon";
import type { ChildEnvironment } from "./child-environment.ts";
import { git } from "./git.ts";
import { lendCredentials } from "./git-credentials.ts";
import { explainClone } from "./git-failure.ts";
import { OWN_FOLDER } from "./home-disk.ts";
import type { Work } from "./work.ts";

export type Cloning = {
  repository: { url: string; branch?: string | undefined };
  author: { name: string; email: string };
  secrets: Secrets;
  home: string;
  runFolder: string;
  env: ChildEnvironment;
};

const HALF_CLONE = "clone-";

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

/** Where the repository stands in the home folder. */
export function repositoryFolder(home: string, url: string): string {
  return join(home, repositoryName(url));
}

/** `fresh` when this task made it: nobody has worked in it yet. */
export type Clone = { folder: string; fresh: boolean };

/**
 * Sees that the repository stands in the home folder, and gives its folder. One that is there is left as the person left it.
 * @throws {FailureError} `repository_unreachable`, `bad_request` for a branch that is not there, or `disk_full`.
 */
export async function ensureClone(work: Work, cloning: Cloning): Promise<Clone> {
  const folder = repositoryFolder(cloning.home, cloning.repository.url);
  const own = join(cloning.home, OWN_FOLDER);
  mkdirSync(own, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(own)) {
    if (name.startsWith(HALF_CLONE)) rmSync(join(own, name), { recursive: true, force: true });
  }
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    if (!existsSync(join(folder, ".git"))) work.emit("note", `${folder} is there already and is no git repository.`);
    return { folder, fresh: false };
  }
  const half = join(own, `${HALF_CLONE}${work.task.id}`);
  work.emit("agent_clone_start", `Cloning ${cloning.repository.url}`);
  try {
    await clone(work, cloning, half);
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

async function clone(work: Work, cloning: Cloning, into: string): Promise<void> {
  const { repository, secrets, author, env, runFolder } = cloning;
  for (const { password } of secrets.git) work.hide(password);
  using credentials = lendCredentials(repository.url, secrets, runFolder);
  const { code, output } = await git(
    [
      ...credentials.args,
      "clone",
      "--progress",
      ...(author.name === "" ? [] : [`--config=user.name=${author.name}`]),
      ...(author.email === "" ? [] : [`--config=user.email=${author.email}`]),
      ...(repository.branch === undefined ? [] : [`--branch=${repository.branch}`]),
      "--",
      repository.url,
      into,
    ],
    { cwd: "/", env, signal: work.signal, onLine: quietly((line) => work.emit("log", line)) },
  ).catch((cause: unknown) => {
    work.signal.throwIfAborted();
    throw fail("internal", "git could not be run in this VM.", { cause });
  });
  if (code !== 0) throw new FailureError(explainClone(output, repository.url, repository.branch));
}

const PROGRESS_EVERY_MS = 500;

/** A progress meter speaks many times a second; what is not its last word is told now and then only. */
function quietly(tell: (line: string) => void): (line: string) => void {
  let toldAt = 0;
  return (line) => {
    if (line.startsWith("Cloning into ")) {
      failpoint("agent.afterCloneBegun");
      return;
    }
    const progress = /\d+%/.test(line) && !/, done\.?$/.test(line);
    if (progress && performance.now() - toldAt < PROGRESS_EVERY_MS) return;
    if (progress) toldAt = performance.now();
    tell(line.trimEnd());
  };
}
