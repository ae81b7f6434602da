// What of this project a VM gets to see: the agent and what it imports, read-only, and nothing else of the checkout.
import { existsSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { fail } from "@gitspaces/contracts";
import type { AgentSource } from "./sandbox.ts";

const inside = "/opt/gitspaces";
const visiblePackages = ["agent", "contracts", "daemon"];

/** The folder that holds this project. */
export function projectRoot(): string {
  return fileURLToPath(new URL("../../../..", import.meta.url)).replace(/\/$/, "");
}

/**
 * Where the agent is taken from. Packages keep their places relative to each other, so links between them hold inside.
 * @throws {FailureError} `not_found` when there is no such file.
 */
export function agentSource(entry = join(projectRoot(), "packages/agent/src/main.ts")): AgentSource {
  if (!existsSync(entry)) throw fail("not_found", `The agent's main file ${entry} is missing.`);
  const root = projectRoot();
  const packages = visiblePackages.map((name) => `packages/${name}`);
  const path = relative(root, entry);
  if (!packages.some((folder) => path.startsWith(`${folder}/`))) {
    const to = "/opt/agent";
    return {
      node: process.execPath,
      mounts: [{ from: dirname(entry), to }],
      entryInside: join(to, relative(dirname(entry), entry)),
      entryOutside: entry,
    };
  }
  const mounts = ["node_modules", ...packages]
    .map((folder) => ({ from: join(root, folder), to: join(inside, folder) }))
    .filter(({ from }) => existsSync(from));
  return { node: process.execPath, mounts, entryInside: join(inside, path), entryOutside: entry };
}

/**
 * VMs with a user of their own read the agent as anybody would.
 * @throws {FailureError} `bad_request` with the cure when the checkout is for its owner's eyes only.
 */
export function checkReadable({ node, mounts, entryOutside }: AgentSource): void {
  for (const path of [node, entryOutside, ...mounts.map(({ from }) => from)]) {
    if ((statSync(path).mode & 0o004) !== 0) continue;
    throw fail("bad_request", `VMs cannot read ${path}; let everybody read it: chmod -R o+rX ${JSON.stringify(path)}`);
  }
}
