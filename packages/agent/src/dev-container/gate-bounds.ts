// What the gates know of the place they guard, handed to them as a file.
import { appendFileSync, readFileSync, realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Bounds } from "./policy.ts";

/** As JSON in the file that `GITSPACES_GATE_BOUNDS` names. */
export type GateBounds = Omit<Bounds, "resolve"> & { notAppliedFile: string };

/** The environment in which the programs of `gate/` find what they need. */
export function gateEnvironment(boundsFile: string): Record<string, string> {
  return {
    GITSPACES_GATE_NODE: process.execPath,
    GITSPACES_GATE_FOLDER: fileURLToPath(new URL(".", import.meta.url)).replace(/\/$/, ""),
    GITSPACES_GATE_BOUNDS: boundsFile,
  };
}

/** The gate of this name, to be called in place of the program of the same name. */
export function gateProgram(name: "docker" | "docker-compose"): string {
  return fileURLToPath(new URL(`gate/${name}`, import.meta.url));
}

/** Where symbolic links lead, or nothing for what is not there. */
export function resolvePath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/** Read by a gate: the bounds, and where to tell what was left out. */
export function readGateBounds(): { bounds: Bounds; tell: (sentences: readonly string[]) => void } {
  const { notAppliedFile, ...bounds } = JSON.parse(
    readFileSync(process.env["GITSPACES_GATE_BOUNDS"] ?? "", "utf8"),
  ) as GateBounds;
  return {
    bounds: { ...bounds, resolve: resolvePath },
    tell: (sentences) => {
      for (const sentence of sentences) appendFileSync(notAppliedFile, `${JSON.stringify(sentence)}\n`);
    },
  };
}

/** What the gates have left out since the file was last empty. */
export function readNotApplied(notAppliedFile: string): string[] {
  return readFileSync(notAppliedFile, "utf8")
    .split("\n")
    .flatMap((line) => (line === "" ? [] : [JSON.parse(line) as string]));
}
