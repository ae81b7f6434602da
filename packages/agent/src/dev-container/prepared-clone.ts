// At a claim: the prepared clone as the beginning of the person's own. It is given only to whom the repository's host gives it too.
import { failpoint } from "@gitspaces/daemon";
import { type Cloning, repositoryFolder } from "../clone.ts";
import { gitFrom } from "../clone-command.ts";
import { run } from "../command.ts";
import { git, privilegesOf } from "../git.ts";
import type { Work } from "../work.ts";
import { isSameRepository, preparedWorkspaces, readPrepared, writePrepared } from "./prepared-record.ts";

/**
 * Fills the empty folder `half` with the prepared clone and what was pushed since; gives whether it did. Where the host refuses the
 * person nothing is copied. Whatever else fails is told, and `half` is to be made empty again.
 */
export async function takePrepared(folder: string, work: Work, cloning: Cloning, half: string): Promise<boolean> {
  const record = readPrepared(folder);
  if (record === undefined || !isSameRepository(record.url, cloning.repository.url)) return false;
  writePrepared(folder, { ...record, taken: false });
  const heads = await askHost(work, cloning);
  if (heads === undefined) return false;
  const from = repositoryFolder(preparedWorkspaces(folder), record.url);
  try {
    await copy(work, cloning, { from, to: half });
    failpoint("agent.afterPreparedCopied");
    await catchUp(work, cloning, half, heads);
    failpoint("agent.afterPreparedFetched");
    const fetched = await ask(work, cloning, half, ["rev-list", "--count", `${record.commit}..HEAD`]);
    work.emit("note", `Copied the prepared clone; ${fetched} commits fetched.`);
  } catch (error) {
    work.signal.throwIfAborted();
    const why = error instanceof Error ? error.message : "it could not be copied";
    work.emit("note", `The prepared clone was not used: ${why} The repository is cloned as usual.`);
    return false;
  }
  writePrepared(folder, { ...record, taken: "name" in record.image });
  failpoint("agent.afterPreparedTaken");
  return true;
}

type Heads = { wanted: string; standard: string };

/** What the host tells this person; nothing where it refuses or has no such branch: an ordinary clone says why. */
async function askHost(work: Work, cloning: Cloning): Promise<Heads | undefined> {
  const { url, branch } = cloning.repository;
  const patterns = ["HEAD", ...(branch === undefined ? [] : [`refs/heads/${branch}`])];
  const listed = await gitFrom(work, cloning, url, "/", ["ls-remote", "--symref", "--", url, ...patterns], () => {});
  if (listed.code !== 0) return undefined;
  const standard = listed.output.map((line) => /^ref: refs\/heads\/(\S+)\tHEAD$/.exec(line)?.[1]).find(Boolean);
  const isThere = branch === undefined || listed.output.some((line) => line.endsWith(`\trefs/heads/${branch}`));
  return standard === undefined || !isThere ? undefined : { wanted: branch ?? standard, standard };
}

/** With the rights of the clone's own account: what it may not read or make is not copied. */
async function copy({ signal }: Work, { env, as }: Cloning, { from, to }: { from: string; to: string }): Promise<void> {
  const args = ["cp", "--archive", "--reflink=auto", "--no-target-directory", "--", from, to];
  const [program = "cp", ...all] = [...privilegesOf(as), ...args];
  const { code, output } = await run({ program, args: all, cwd: "/", env: { ...env, LC_ALL: "C" }, signal });
  if (code !== 0) throw new Error(`It could not be copied: ${output.slice(-2).join(" | ")}.`);
}

/** Everything new with the person's credentials; then the branch as a fresh clone has it, alone. */
async function catchUp(work: Work, cloning: Cloning, half: string, { wanted, standard }: Heads): Promise<void> {
  const { url } = cloning.repository;
  const before = await ask(work, cloning, half, ["symbolic-ref", "--short", "HEAD"]);
  await ask(work, cloning, half, ["remote", "set-url", "origin", url]);
  const fetch = ["fetch", "--progress", "--prune", "--force", "--no-write-fetch-head", "--no-recurse-submodules"];
  const refs = "+refs/heads/*:refs/remotes/origin/*";
  const fetched = await gitFrom(work, cloning, url, half, [...fetch, "origin", refs]);
  if (fetched.code !== 0) throw new Error(`What is new could not be fetched: ${fetched.output.at(-1) ?? "no reason"}.`);
  await ask(work, cloning, half, ["remote", "set-head", "origin", standard]);
  await ask(work, cloning, half, ["checkout", "--quiet", "--force", "--track", "-B", wanted, `origin/${wanted}`]);
  if (before !== wanted) await ask(work, cloning, half, ["branch", "--quiet", "-D", before]);
}

async function ask(work: Work, { env, as }: Cloning, cwd: string, args: readonly string[]): Promise<string> {
  const { code, output } = await git(args, { cwd, env, signal: work.signal, as });
  if (code !== 0) throw new Error(`git ${args[0]}: ${output.at(-1) ?? "no reason"}.`);
  return output.join("\n").trim();
}
