// What a person leaves in a Gitspace before they stop it, and whether it is the same when they come back.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import * as fc from "fast-check";
import { gitSteps, makeStartingRepository, takeStep, tellState } from "../fixtures/git-states.ts";
import type { House } from "./house.ts";
import { person } from "./life.ts";

export type Keepsake = {
  leave(gitspace: string, vm: string): void;
  complaints(gitspace: string, vm: string): string[];
};

/** A file in the home. */
export function keptFile(house: House): Keepsake {
  const { home } = person(house);
  return {
    leave: (id, vm) => home(vm).write(`kept by ${id}`),
    complaints: (id, vm) => (home(vm).read() === `kept by ${id}` ? [] : [`I3: the home of ${id} is not what it was`]),
  };
}

/** A file in the home, and the repository in a state of somebody's work: another one each time, to be the same to the byte. */
export function keptWork(house: House, files: Record<string, string>, seed: number): Keepsake {
  const file = keptFile(house);
  const told = new Map<string, Map<string, string>>();
  let turn = seed;
  return {
    leave(id, vm) {
      file.leave(id, vm);
      const folder = workspaceOf(house, vm);
      turn += 1;
      leaveState(folder, files, turn);
      told.set(id, tellState(folder));
    },
    complaints(id, vm) {
      const changed = changesBetween(told.get(id) ?? new Map(), tellState(workspaceOf(house, vm)));
      const words = `I3: the repository of ${id} (state ${turn}) is not what it was: ${changed.slice(0, 8).join(", ")}`;
      return [...file.complaints(id, vm), ...(changed.length > 0 ? [words] : [])];
    },
  };
}

/** The clone in a running VM, as this machine sees it. */
export function workspaceOf(house: House, vm: string): string {
  const workspaces = house.ground.vms(house.data).find(({ id }) => id === vm)?.workspaces;
  if (workspaces === undefined) throw new Error(`the VM ${vm} has no power`);
  const [name] = readdirSync(workspaces);
  if (name === undefined) throw new Error(`the VM ${vm} has no clone`);
  return join(workspaces, name);
}

/** Puts a clone into the state of this number, with these files in it too. Whose it is stays. */
export function leaveState(folder: string, files: Record<string, string>, seed: number): void {
  const { uid, gid } = statSync(folder);
  const url = execFileSync("git", ["config", "--file", join(folder, ".git/config"), "remote.origin.url"], {
    encoding: "utf8",
  }).trim();
  const parent = mkdtempSync(join(tmpdir(), "git-state-"));
  try {
    const clone = makeStartingRepository(parent);
    const [steps = []] = fc.sample(gitSteps, { seed, numRuns: 1 });
    for (const step of steps) takeStep(clone, step);
    execFileSync("git", ["config", "--file", join(clone, ".git/config"), "remote.origin.url", url]);
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(clone, name)), { recursive: true });
      rmSync(join(clone, name), { recursive: true, force: true });
      writeFileSync(join(clone, name), text);
    }
    // The folder itself stays: the dev container has it mounted.
    for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
    execFileSync("cp", ["--archive", `${clone}/.`, folder]);
    execFileSync("chown", ["--recursive", "--no-dereference", `${uid}:${gid}`, folder]);
  } finally {
    rmSync(parent, { recursive: true, force: true });
  }
}

/** The paths that are not the same in both. */
export function changesBetween(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  const paths = new Set([...before.keys(), ...after.keys()]);
  return [...paths].filter((path) => before.get(path) !== after.get(path)).toSorted();
}
