// A stop and a removal: everything of the person's ends politely, what they made is safe on the disk or gone for good.
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fail, type TaskResult } from "@gitspaces/contracts";
import { failpoint } from "@gitspaces/daemon";
import { run } from "./command.ts";
import { claimHome, OWN_FOLDER } from "./home-disk.ts";
import type { House } from "./house.ts";
import type { Work } from "./work.ts";

const SYNC_DEADLINE_MS = 30_000;
/** What tells which disk this is, and who may still write to it. */
const KEPT = ["disk", "generation"];

/** Ends the IDE and every process of the person, and puts the home disk in order. */
export async function stopGitspace(house: House, work: Work): Promise<TaskResult<"gitspace.stop">> {
  work.emit("agent_gitspace_stop_start", "Stopping what runs");
  claimHome(house.home, work.task.generation);
  await work.stage("processes", async () => await house.workplace.end());
  const changed = await work.stage(
    "git",
    async () => await house.workplace.hasGitChanges(house.journal.fact("folder")),
  );
  failpoint("agent.afterGitChanges");
  await work.stage("sync", async () => await syncHome(house));
  work.emit("agent_gitspace_stop_completed", changed ? "Stopped; there are changes that are not pushed" : "Stopped");
  return { hasGitChanges: changed };
}

/** The same for good; with `deleteData` the home folder is emptied. */
export async function removeGitspace(
  house: House,
  work: Work,
  deleteData: boolean,
): Promise<TaskResult<"gitspace.remove">> {
  work.emit("agent_gitspace_deletion_start", "Removing the Gitspace");
  claimHome(house.home, work.task.generation);
  await work.stage("processes", async () => await house.workplace.end());
  if (deleteData) deletePersonsData(house.home);
  failpoint("agent.afterRemoval");
  await work.stage("sync", async () => await syncHome(house));
  work.emit("agent_gitspace_deletion_completed", deleteData ? "Removed, with its data" : "Removed; its data stays");
  return {};
}

/** Everything in the home folder but the disk's id and generation; links are removed, never followed. */
function deletePersonsData(home: string): void {
  for (const name of readdirSync(home)) {
    if (name !== OWN_FOLDER) rmSync(join(home, name), { recursive: true, force: true });
  }
  for (const name of readdirSync(join(home, OWN_FOLDER))) {
    if (!KEPT.includes(name)) rmSync(join(home, OWN_FOLDER, name), { recursive: true, force: true });
  }
}

async function syncHome({ home, env }: House): Promise<void> {
  const signal = AbortSignal.timeout(SYNC_DEADLINE_MS);
  const { code, output } = await run({ program: "sync", args: ["-f", "--", home], cwd: "/", env, signal });
  failpoint("agent.afterSync");
  if (code !== 0) throw fail("internal", `The home disk could not be synchronised: ${output.join(" ")}`);
}
