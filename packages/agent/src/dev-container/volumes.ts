// What of a dev container lives on the home disk: the clones, and the engine's named volumes, mounted before the engine starts.
import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fail } from "@gitspaces/contracts";
import { failpoint } from "@gitspaces/daemon";
import { run } from "../command.ts";
import { OWN_FOLDER } from "../home-disk.ts";

const MOUNT_DEADLINE_MS = 10_000;
const TOOLS = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };

/** The parent of the clones on a home disk. */
export function workspacesOf(home: string): string {
  return join(home, "workspaces");
}

function volumesOf(home: string): string {
  return join(home, "volumes");
}

/** Makes the folders of a home disk; those that are there stay as they are. Ours is for root alone. */
export function layOutHome(home: string): void {
  mkdirSync(join(home, OWN_FOLDER), { recursive: true, mode: 0o700 });
  mkdirSync(workspacesOf(home), { recursive: true, mode: 0o755 });
  // As the engine makes it: only root goes through it.
  mkdirSync(volumesOf(home), { recursive: true, mode: 0o701 });
}

/** Whether the home disk's volumes stand in the engine's place for them. */
export function volumesMounted(home: string, place: string): boolean {
  const [here, there] = [volumesOf(home), place].map((path) => statSync(path, { throwIfNoEntry: false }));
  return here !== undefined && here.ino === there?.ino && here.dev === there.dev;
}

/** Puts the home disk's volumes in the engine's place for them. The engine must not run. @throws {FailureError} `internal` */
export async function mountVolumes(home: string, place: string): Promise<void> {
  if (volumesMounted(home, place)) return;
  mkdirSync(place, { recursive: true, mode: 0o701 });
  await tool("mount", ["--bind", "--", volumesOf(home), place]);
  failpoint("agent.afterVolumes");
}

/** Takes them from there again; the engine must not run. @throws {FailureError} `internal` naming what held them. */
export async function unmountVolumes(home: string, place: string): Promise<void> {
  while (volumesMounted(home, place)) {
    await tool("umount", ["--", place]);
    failpoint("agent.afterVolumesAway");
  }
}

async function tool(program: string, args: string[]): Promise<void> {
  const signal = AbortSignal.timeout(MOUNT_DEADLINE_MS);
  const { code, output } = await run({ program, args, cwd: "/", env: TOOLS, signal });
  if (code !== 0) throw fail("internal", `${program} of the engine's volumes failed: ${output.join(" ")}`);
}
