// A start: home disk, clone, dev container, IDE; each stage told and timed.
import { FailureError, type TaskResult } from "@gitspaces/contracts";
import { ensureClone } from "./clone.ts";
import type { House, TaskOf } from "./house.ts";
import { openTaskSecrets } from "./task-secrets.ts";
import { claimHome } from "./home-disk.ts";
import type { Work } from "./work.ts";

/**
 * Brings the Gitspace up and gives where it stands.
 * @throws {FailureError} `superseded`, `repository_unreachable`, `bad_request`, `devcontainer_invalid`, `ide_failed`, `disk_full` or `vm_unreachable`
 */
export async function startGitspace(
  house: House,
  work: Work,
  task: TaskOf<"gitspace.start">,
): Promise<TaskResult<"gitspace.start">> {
  work.emit("agent_gitspace_creation_start", "Setting up the Gitspace");
  const tellFailed = (reason: unknown) => {
    const words = reason instanceof FailureError ? reason.message : "The start met a fault inside";
    work.emit("agent_gitspace_creation_failed", words);
  };
  // An abort is answered at once, so it is told at once; an agent that merely leaves has not failed.
  const onAbort = () => {
    if (work.signal.reason instanceof FailureError) tellFailed(work.signal.reason);
  };
  work.signal.addEventListener("abort", onAbort, { once: true });
  try {
    const result = await setUp(house, work, task);
    work.emit("agent_gitspace_creation_completed", "The Gitspace is ready");
    return result;
  } catch (error) {
    if (!work.signal.aborted) tellFailed(error);
    throw error;
  }
}

async function setUp(house: House, work: Work, task: TaskOf<"gitspace.start">): Promise<TaskResult<"gitspace.start">> {
  const { home, env, journal, runFolder, workplace } = house;
  const { repository, author, devcontainerPath } = task.data;
  workplace.warm();
  const secrets = await work.stage("home", async () => {
    await house.homeDisk.attached(house.identities.identity?.homeDisk ?? "", work.signal);
    claimHome(home, task.generation);
    await workplace.settle(work);
    return await openTaskSecrets(house, task);
  });
  const clone = await work.stage(
    "clone",
    async () => await ensureClone(work, { ...house.cloning, repository, author, secrets, home, runFolder, env }),
  );
  journal.setFact("folder", clone.folder);
  const raised = await workplace.raise(work, { clone, devcontainerPath, secrets });
  return { ...raised, ports: workplace.ports() };
}
