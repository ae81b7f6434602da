// Submodules of a fresh clone. One that cannot be had is told of and does not stop a start.
import { join } from "node:path";
import { FailureError, RepositoryUrl } from "@gitspaces/contracts";
import type { Cloning } from "./clone.ts";
import { gitFrom, sparing } from "./clone-command.ts";
import { git } from "./git.ts";
import { explainClone } from "./git-failure.ts";
import type { Work } from "./work.ts";

export type Submodule = { name: string; path: string; url: string };

const MOST = 200;
const DEEPEST = 5;

/** The submodules that the text of `git config --null --list` over a `.gitmodules` names, with their URLs resolved. Pure. */
export function readSubmodules(listed: string, base: string): (Submodule | { path: string; why: string })[] {
  const values = new Map(
    listed.split("\0").flatMap((entry) => {
      const cut = entry.indexOf("\n");
      return cut < 0 ? [] : [[entry.slice(0, cut), entry.slice(cut + 1)] as const];
    }),
  );
  const names = new Set([...values.keys()].flatMap((key) => /^submodule\.(.+)\.path$/s.exec(key)?.[1] ?? []));
  return [...names].map((name) => {
    const path = values.get(`submodule.${name}.path`) ?? "";
    const told = values.get(`submodule.${name}.url`);
    if (told === undefined) return { path, why: "it has no URL" };
    const url = resolveUrl(base, told);
    return RepositoryUrl.safeParse(url).success
      ? { name, path, url }
      : { path, why: `only https and http URLs without user and password are fetched, not ${withoutPassword(url)}` };
  });
}

/** What git makes of a submodule's URL: `./` and `../` begin at the URL of the repository that holds it. Pure. */
export function resolveUrl(base: string, url: string): string {
  if (!/^\.\.?(?:\/|$)/.test(url)) return url;
  const { origin, pathname } = new URL(base);
  const parts = pathname.replace(/\/+$/, "").split("/");
  const steps = url.split("/");
  while (steps[0] === "." || steps[0] === "..") if (steps.shift() === ".." && parts.length > 1) parts.pop();
  return `${origin}${[...parts, ...steps].join("/")}`.replace(/\/+$/, "");
}

function withoutPassword(url: string): string {
  return url.replace(/\/\/[^/@]*@/, "//…@").slice(0, 200);
}

/** Fetches the submodules of the clone at `folder`, and theirs. */
export async function fetchSubmodules(work: Work, cloning: Cloning, folder: string): Promise<void> {
  let left = MOST;
  const visit = async (at: string, path: string, base: string, depth: number): Promise<void> => {
    const found = readSubmodules(await listSubmodules(work, cloning, at), base);
    for (const each of found) {
      const shown = join(path, each.path);
      const why =
        left-- <= 0 ? "there are too many" : "why" in each ? each.why : await fetchOne(work, cloning, at, each);
      if (why !== undefined) work.emit("note", `The submodule ${shown} is not fetched: ${why}.`);
      else if ("url" in each && depth < DEEPEST) await visit(join(at, each.path), shown, each.url, depth + 1);
      if (left < 0) return;
    }
  };
  await visit(folder, "", cloning.repository.url, 1);
}

/** As committed, not as checked out: the work tree could hold a link in its place. */
async function listSubmodules(work: Work, { env, as }: Cloning, at: string): Promise<string> {
  const lines: string[] = [];
  const { code } = await git(["config", "--null", "--blob=HEAD:.gitmodules", "--list"], {
    cwd: at,
    env,
    signal: work.signal,
    onLine: (line) => lines.push(line),
    as,
  });
  return code === 0 ? lines.join("\n") : "";
}

/** Fetches one; gives why it could not be had. */
async function fetchOne(
  work: Work,
  cloning: Cloning,
  at: string,
  { name, path, url }: Submodule,
): Promise<string | undefined> {
  const options = sparing(cloning).filter((option) => option !== "--no-single-branch");
  const settings = ["-c", `submodule.${name}.url=${url}`, "-c", `submodule.${name}.update=checkout`];
  work.emit("log", `Fetching the submodule ${path} from ${url}`);
  try {
    const update = ["submodule", "update", "--init", "--checkout", "--progress", ...options, "--", path];
    const { code, output } = await gitFrom(work, cloning, url, at, [...settings, ...update]);
    return code === 0 ? undefined : explainClone(output, url, undefined).message.replace(/\.$/, "");
  } catch (error) {
    work.signal.throwIfAborted();
    if (error instanceof FailureError && error.failure.code === "bad_request") return error.message.replace(/\.$/, "");
    throw error;
  }
}
