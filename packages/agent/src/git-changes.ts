// Whether something in a repository would be lost with its disk: edits, stashes, or commits that no remote has; its submodules too.
// A repository's configuration can name programs for git to run. None of them is run here, whoever wrote it.
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ChildEnvironment } from "./child-environment.ts";
import type { Ended } from "./command.ts";
import { type Account, git, RUNS_NOTHING } from "./git.ts";

/** Runs git in the repository's folder with these arguments, and with this added to its environment. */
export type AskGit = (args: readonly string[], env: Record<string, string>) => Promise<Ended>;

/** What is asked of each repository. Nothing that would fetch, write, page, compare contents by a program or check a signature. */
const questions = [
  ["status", "--porcelain", "--untracked-files=normal", "--no-renames", "--ignore-submodules=dirty"],
  ["for-each-ref", "--count=1", "refs/stash"],
  ["rev-list", "--max-count=1", "HEAD", "--branches", "--not", "--remotes"],
] as const;
const NAMED_PROGRAMS = [
  "config",
  "--show-scope",
  "--name-only",
  "--get-regexp",
  "^(filter|diff|merge)[.].*[.](clean|smudge|process|required|command|textconv|driver)$",
];
const SUBMODULES = ["config", "--null", "--blob=:.gitmodules", "--get-regexp", "^submodule[.].*[.]path$"];
const LOOK_DEADLINE_MS = 10_000;
const MOST_REPOSITORIES = 200;
/** How docker and shells say that a program could not be run at all. */
const COULD_NOT_RUN = new Set<number | null>([null, 125, 126, 127]);
/** Of more, or longer, lines than this the end may be missing. */
const MOST_LINES = 150;
const LONGEST_LINE = 3_000;

/** Nothing is fetched, written or asked for while looking. */
const CALM: Record<string, string> = {
  LC_ALL: "C",
  GIT_OPTIONAL_LOCKS: "0",
  GIT_TERMINAL_PROMPT: "0",
  GIT_ALLOW_PROTOCOL: "none",
  GIT_NO_LAZY_FETCH: "1",
  GIT_PAGER: "cat",
};

/** The environment that overrules the programs named in a repository's own configuration, given `scope TAB name` lines. Pure. */
export function overruling(lines: readonly string[]): Record<string, string> {
  const ofRepository = lines.filter((line) => !/^(?:system|global|command)\t/.test(line));
  const names = new Set(ofRepository.map((line) => line.slice(line.indexOf("\t") + 1)));
  return Object.fromEntries([
    ["GIT_CONFIG_COUNT", String(names.size)],
    ...[...names].flatMap((name, index) => [
      [`GIT_CONFIG_KEY_${index}`, name],
      [`GIT_CONFIG_VALUE_${index}`, /[.]required$/i.test(name) ? "false" : ""],
    ]),
  ]) as Record<string, string>;
}

/** True when git's answer to a question means work that is nowhere else, or is no answer. Pure. */
export function tellsOfWork(question: string, { code, output }: Ended): boolean {
  // A repository without any commit has no HEAD to list from.
  if (question === "rev-list" && code !== 0 && !COULD_NOT_RUN.has(code)) return false;
  return code !== 0 || output.length > 0;
}

/** Asks about a repository and its submodules. True also when git cannot tell. */
export async function askForChanges(ask: AskGit): Promise<boolean> {
  const folders = [""];
  for (const folder of folders) {
    if (folders.length > MOST_REPOSITORIES) return true;
    const found = await asksOne(ask, folder);
    if (found === "work") return true;
    folders.push(...found);
  }
  return false;
}

/** Whether there is work in one repository; without any, the folders of its submodules that were fetched. */
async function asksOne(ask: AskGit, folder: string): Promise<"work" | string[]> {
  const named = await askIn(ask, folder, NAMED_PROGRAMS);
  const cut = named.output.length > MOST_LINES || named.output.some((line) => line.length > LONGEST_LINE);
  if (cut || (named.code !== 0 && named.code !== 1)) return "work";
  const env = overruling(named.output);
  // Each answer may come from a container, where asking takes longer than thinking.
  const [links, ...tells] = await Promise.all([
    askIn(ask, folder, SUBMODULES),
    ...questions.map(async (question) => tellsOfWork(question[0], await askIn(ask, folder, question, env))),
  ]);
  if (tells.includes(true)) return "work";
  const inner = pathsIn(links.output).map((path) => join(folder, path));
  const fetched = await Promise.all(inner.map(async (path) => path !== "." && (await isRepository(ask, path))));
  return inner.filter((_, index) => fetched[index] === true);
}

/** A submodule that was never fetched has no repository of its own: git would look at the one around it. */
async function isRepository(ask: AskGit, folder: string): Promise<boolean> {
  const { code, output } = await askIn(ask, folder, ["rev-parse", "--show-prefix"]);
  return code === 0 && output.length === 0;
}

async function askIn(ask: AskGit, folder: string, args: readonly string[], env: Record<string, string> = {}) {
  const place = folder === "" ? [] : ["-C", `./${folder}`];
  return await ask([...RUNS_NOTHING, "-c", "safe.directory=*", ...place, ...args], { ...CALM, ...env });
}

/** `key NEWLINE value NUL` as git writes it: the values. */
function pathsIn(lines: readonly string[]): string[] {
  const entries = lines.join("\n").split("\0");
  return entries.flatMap((entry) => (entry.includes("\n") ? [entry.slice(entry.indexOf("\n") + 1)] : []));
}

/** The same for a folder of this machine, by this machine's git. A folder without a repository holds nothing. */
export async function hasGitChanges(folder: string | undefined, env: ChildEnvironment, as?: Account): Promise<boolean> {
  if (folder === undefined || !existsSync(join(folder, ".git"))) return false;
  const signal = AbortSignal.timeout(LOOK_DEADLINE_MS);
  try {
    return await askForChanges(async (args, also) => await git(args, { cwd: folder, env, also, signal, as }));
  } catch {
    return true;
  }
}
