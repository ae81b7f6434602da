// A start: home disk, clone, dev container, IDE; each stage told and timed.
import { rmSync } from "node:fs";
import { FailureError, type TaskResult } from "@gitspaces/contracts";
import { failpoint } from "@gitspaces/daemon";
import { type Clone, ensureClone } from "./clone.ts";
import { readDevcontainer } from "./devcontainer.ts";
import { type DevcontainerPlan, planDevcontainer, withVariables } from "./devcontainer-plan.ts";
import type { House, TaskOf } from "./house.ts";
import { openTaskSecrets } from "./task-secrets.ts";
import { claimHome } from "./home-disk.ts";
import { furnishHome, openFolderFirst, writeMachineSettings } from "./home-folder.ts";
import { runHooks } from "./hooks.ts";
import type { Work } from "./work.ts";

const nothingAsked: DevcontainerPlan = { hooks: [], variables: {}, notApplied: [] };

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
  const { home, env, ide, journal, ports, runFolder } = house;
  const { repository, author, devcontainerPath } = task.data;
  ide.start();
  const secrets = await work.stage("home", async () => {
    await house.homeDisk.attached(house.identities.identity?.homeDisk ?? "", work.signal);
    claimHome(home, task.generation);
    furnishHome(home);
    failpoint("agent.afterHomeFurnished");
    return await openTaskSecrets(house, task);
  });
  const { folder, fresh } = await work.stage(
    "clone",
    async () => await ensureClone(work, { repository, author, secrets, home, runFolder, env }),
  );
  journal.setFact("folder", folder);

  const notApplied = await work.stage("devcontainer", async () => {
    const plan = findPlan(work, { folder, fresh }, devcontainerPath, env);
    writeMachineSettings(home, plan.variables);
    openFolderFirst(home, folder);
    failpoint("agent.afterDevcontainer");
    const complaints = await runHooks(work, { plan, folder, home, env: withVariables(env, plan.variables) });
    return [...plan.notApplied, ...complaints];
  });

  await work.stage("ide", async () => {
    work.emit("agent_ide_start", "Opening the IDE");
    await ide.ready(work.signal).catch((error: unknown) => {
      work.emit("agent_ide_failed", error instanceof Error ? error.message : "The IDE did not start");
      throw error;
    });
    work.emit("agent_ide_completed", "The IDE is ready");
  });
  return { folder, user: env["USER"] ?? "", ports: ports.list(), notApplied };
}

/** A clone that could not be used is not kept: the next start fetches what was mended meanwhile. */
function findPlan(work: Work, { folder, fresh }: Clone, path: string | undefined, env: House["env"]): DevcontainerPlan {
  work.emit("fetch_devcontainer_start", "Reading devcontainer.json");
  try {
    const found = readDevcontainer(folder, path);
    const plan = found === undefined ? nothingAsked : planDevcontainer(found.content, folder, env);
    work.emit("fetch_devcontainer_completed", found === undefined ? "The repository has none" : `Read ${found.path}`);
    for (const sentence of plan.notApplied) work.emit("note", sentence);
    return plan;
  } catch (error) {
    work.emit("fetch_devcontainer_failed", error instanceof Error ? error.message : "It could not be read");
    if (fresh) rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}
