// Which folders of a checkout a program needs to run: its workspaces and the libraries that they name, found as Node finds them.
import { existsSync, lstatSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fail } from "@gitspaces/contracts";

export type Dependencies = {
  /** Workspaces that are needed, such as `packages/agent`. */
  workspaces: string[];
  /** Folders and links below node_modules folders, relative to the checkout; none lies in another of them. */
  libraries: string[];
};

type Manifest = {
  version?: string;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
  peerDependenciesMeta?: Record<string, { optional?: boolean }>;
};

/** Everything that `workspace` of the checkout at `root` needs in production. @throws {FailureError} `not_found` naming what is not installed. */
export function productionDependencies(root: string, workspace: string): Dependencies {
  const workspaces = new Set<string>();
  const libraries = new Set<string>();
  const todo = [workspace];
  for (let folder = todo.pop(); folder !== undefined; folder = todo.pop()) {
    if (workspaces.has(folder)) continue;
    if (isWorkspace(folder)) workspaces.add(folder);
    for (const { name, optional } of needs(manifestOf(root, folder))) {
      const found = find(root, folder, name);
      if (found === undefined && optional) continue;
      if (found === undefined) throw notInstalled(name, folder);
      if (libraries.has(found)) continue;
      libraries.add(found);
      todo.push(relative(root, realpathSync(join(root, found))));
    }
  }
  return { workspaces: [...workspaces].toSorted(), libraries: outermost(libraries) };
}

/** What identifies an installed library: its name and version as it says itself. */
export function manifestOf(root: string, folder: string): Manifest {
  return JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8")) as Manifest;
}

const isWorkspace = (folder: string) => !folder.split("/").includes("node_modules");

function needs(manifest: Manifest): { name: string; optional: boolean }[] {
  const { dependencies = {}, optionalDependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} } = manifest;
  return [
    ...Object.keys(dependencies).map((name) => ({ name, optional: name in optionalDependencies })),
    ...Object.keys(optionalDependencies).map((name) => ({ name, optional: true })),
    ...Object.keys(peerDependencies).map((name) => ({ name, optional: peerDependenciesMeta[name]?.optional === true })),
  ];
}

/** The nearest node_modules that has it, from the folder upwards to the checkout's own. */
function find(root: string, folder: string, name: string): string | undefined {
  for (let at = folder; ; at = dirname(at)) {
    const candidate = join(at === "." ? "" : at, "node_modules", name);
    if (existsSync(join(root, candidate))) return candidate;
    if (at === ".") return undefined;
  }
}

function outermost(folders: Set<string>): string[] {
  const all = [...folders].toSorted();
  return all.filter((folder) => !all.some((other) => folder !== other && folder.startsWith(`${other}/`)));
}

/** Whether a library is a link to a workspace. */
export const isLink = (root: string, folder: string) => lstatSync(join(root, folder)).isSymbolicLink();

function notInstalled(name: string, folder: string): Error {
  return fail("not_found", `${name}, which ${folder} needs, is not installed: run npm ci in the checkout.`);
}
