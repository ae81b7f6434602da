// `git clone`, tried a few times when the network is at fault, told of in few lines.
import { setTimeout as sleep } from "node:timers/promises";
import { chownSync, mkdirSync, rmSync } from "node:fs";
import { fail, FailureError } from "@gitspaces/contracts";
import { failpoint } from "@gitspaces/daemon";
import type { Cloning } from "./clone.ts";
import type { Ended } from "./command.ts";
import { type Account, git } from "./git.ts";
import { lendCredentials } from "./git-credentials.ts";
import { explainClone, isPassing } from "./git-failure.ts";
import { holdToHost } from "./repository-host.ts";
import type { Work } from "./work.ts";

const ATTEMPTS = 3;
const FIRST_PAUSE_MS = 500;
const PROGRESS_EVERY_MS = 500;

/** Clones into the empty folder `into`. @throws {FailureError} as `ensureClone` */
export async function cloneRepository(work: Work, cloning: Cloning, into: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const { code, output } = await cloneOnce(work, cloning, into);
    if (code === 0) return;
    const failure = explainClone(output, cloning.repository.url, cloning.repository.branch);
    if (attempt === ATTEMPTS || !isPassing(output)) throw new FailureError(failure);
    work.emit("note", `${failure.message} Trying again.`);
    await sleep(FIRST_PAUSE_MS * 2 ** (attempt - 1), undefined, { signal: work.signal });
    makeEmpty(into, cloning.as);
  }
}

/** An empty folder in the place of whatever was there, of the account that will fill it. */
export function makeEmpty(folder: string, as: Account | undefined): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { mode: 0o755 });
  if (as !== undefined && process.getuid?.() === 0) chownSync(folder, as.uid, as.gid);
}

async function cloneOnce(work: Work, cloning: Cloning, into: string): Promise<Ended> {
  const { repository, author, as } = cloning;
  // Another account's clone is for a place with a home of its own, where the identity is written.
  const identity = as === undefined ? author : { name: "", email: "" };
  return await gitFrom(work, cloning, repository.url, "/", [
    "clone",
    "--progress",
    ...(identity.name === "" ? [] : [`--config=user.name=${identity.name}`]),
    ...(identity.email === "" ? [] : [`--config=user.email=${identity.email}`]),
    ...(repository.branch === undefined ? [] : [`--branch=${repository.branch}`]),
    ...sparing(cloning),
    "--",
    repository.url,
    into,
  ]);
}

/** The options by which less than everything is fetched. Branches other than the present one can be had later. */
export function sparing({ repository: { depth, filter } }: Pick<Cloning, "repository">): string[] {
  return [
    ...(depth === undefined ? [] : [`--depth=${depth}`, "--no-single-branch"]),
    ...(filter === undefined ? [] : [`--filter=${filter}`]),
  ];
}

/** Runs git against the host of `url`: at the addresses that were judged, with that host's credentials and no other's. */
export async function gitFrom(
  work: Work,
  { secrets, env, runFolder, as, hosts = { loopback: true } }: Cloning,
  url: string,
  cwd: string,
  args: readonly string[],
  onLine = quietly((line) => work.emit("log", line)),
): Promise<Ended> {
  for (const { password } of secrets.git) work.hide(password);
  const held = await holdToHost(url, hosts, env, work.signal);
  using credentials = lendCredentials(url, secrets, { runFolder, to: as });
  return await git([...held, ...credentials.args, ...args], {
    cwd,
    env,
    signal: work.signal,
    onLine,
    as,
  }).catch((cause: unknown) => {
    work.signal.throwIfAborted();
    throw fail("internal", "git could not be run in this VM.", { cause });
  });
}

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
