// What this VM does for its Gitspace. Every step may run again: after a restart of the agent the same task simply starts over.
import { fullDisk } from "./dev-container/disk-watch.ts";
import { startGitspace } from "./gitspace-start.ts";
import { removeGitspace, stopGitspace } from "./gitspace-stop.ts";
import { type GitspaceState, gitspaceStatus, type House } from "./house.ts";
import type { Work } from "./work.ts";

/** Does a task of the Gitspace and gives its result. */
export async function performTask(house: House, work: Work): Promise<Record<string, unknown>> {
  const { task } = work;
  if (task.type === "gitspace.status") return await gitspaceStatus(house);
  if (task.type === "gitspace.start") {
    house.journal.setFact("state", "starting");
    return await into(house, "running", async () => await startGitspace(house, work, task));
  }
  if (task.type === "gitspace.stop") return await into(house, "stopped", async () => await stopGitspace(house, work));
  return await into(house, "removed", async () => await removeGitspace(house, work, task.data.deleteData));
}

async function into<T>({ journal, disks }: House, state: GitspaceState, work: () => Promise<T>): Promise<T> {
  try {
    const result = await work();
    journal.setFact("state", state);
    return result;
  } catch (error) {
    journal.setFact("state", "error");
    // Whatever failed says what it could not do; that a disk is full is why.
    throw (await fullDisk(disks, error)) ?? error;
  }
}
