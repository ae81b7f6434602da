// The workplace without a container: hooks, IDE and servers of the person run in the VM itself.
import { rmSync } from "node:fs";
import { fail } from "@gitspaces/contracts";
import { failpoint, type Logger, withFailpoints } from "@gitspaces/daemon";
import type { ChildEnvironment } from "./child-environment.ts";
import type { Clone } from "./clone.ts";
import { readDevcontainer } from "./devcontainer.ts";
import { type DevcontainerPlan, planDevcontainer, withVariables } from "./devcontainer-plan.ts";
import { hasGitChanges } from "./git-changes.ts";
import type { GitInPlace } from "./git-in-place.ts";
import { furnishHome, openFolderFirst, writeMachineSettings } from "./home-folder.ts";
import { runHooks } from "./hooks.ts";
import { Ide } from "./ide.ts";
import { ideCommand } from "./ide-command.ts";
import { ideProcess } from "./ide-process.ts";
import { dialPort, type Ports } from "./ports.ts";
import { endProcesses, type Isolation } from "./process-tree.ts";
import { openSshInPlace, type SshPlace } from "./ssh/ssh-in-place.ts";
import type { Work } from "./work.ts";
import type { Workplace } from "./workplace.ts";

type Parts = {
  instanceId: string;
  isolation: Isolation;
  home: string;
  runFolder: string;
  imageFolder: string;
  env: ChildEnvironment;
  ports: Ports;
  git: GitInPlace;
  log: Logger;
};

const nothingAsked: DevcontainerPlan = { hooks: [], variables: {}, notApplied: [] };
const STOP_GRACE_MS = 5_000;

/** Opens it; disposing ends the IDE. */
export function openInPlace(parts: Parts): Workplace & AsyncDisposable {
  const { instanceId, isolation, home, runFolder, ports, git, log } = parts;
  const env = { ...parts.env, ...git.env };
  const command = ideCommand(parts.imageFolder, home, runFolder);
  const runner = ideProcess({ command, home, env });
  const ide = withFailpoints("agent", new Ide({ runner, log }), { ready: "Ide", stop: "IdeStop" });
  const ssh = openSshInPlace({ home, runFolder, env, log });
  let place: SshPlace | undefined;

  return {
    get state() {
      return ide.state;
    },
    warm: () => ide.start(),
    settle() {
      ide.start();
      furnishHome(home);
      failpoint("agent.afterHomeFurnished");
    },
    async raise(work, { clone, devcontainerPath, secrets }) {
      const { folder } = clone;
      const notApplied = await work.stage("devcontainer", async () => {
        await git.prepare(work, secrets, env);
        failpoint("agent.afterGitPrepared");
        const plan = findPlan(work, clone, devcontainerPath, env);
        writeMachineSettings(home, plan.variables);
        openFolderFirst(home, folder);
        failpoint("agent.afterDevcontainer");
        const variables = withVariables(env, plan.variables);
        const complaints = await runHooks(work, { plan, folder, home, env: variables });
        place = { folder, env: variables };
        return [...plan.notApplied, ...complaints];
      });
      await work.stage("ide", async () => {
        work.emit("agent_ide_start", "Opening the IDE");
        await ide.ready(work.signal).catch((error: unknown) => {
          if (!work.signal.aborted)
            work.emit("agent_ide_failed", error instanceof Error ? error.message : "The IDE did not start");
          throw error;
        });
        work.emit("agent_ide_completed", "The IDE is ready");
      });
      return { folder, user: env["USER"] ?? "", notApplied };
    },
    async end() {
      place = undefined;
      ssh.end();
      await ide.stop();
      const left = await endProcesses(instanceId, isolation, STOP_GRACE_MS);
      failpoint("agent.afterProcesses");
      if (left.length > 0) log.warn({ pids: left }, "processes could not be ended");
    },
    hasGitChanges: async (folder) => await hasGitChanges(folder, env),
    ports: () => ports.list(),
    dial: async (port) => await dialPort(ports, port),
    dialIde: async () => await runner.dial(),
    async dialSsh(keys) {
      if (place === undefined) throw fail("vm_unreachable", "The Gitspace is not up yet.");
      return await ssh.dial(keys, place);
    },
    async [Symbol.asyncDispose]() {
      ssh.end();
      await ide[Symbol.asyncDispose]();
      await git[Symbol.asyncDispose]();
    },
  };
}

/** A clone that could not be used is not kept: the next start fetches what was mended meanwhile. */
function findPlan(
  work: Work,
  { folder, fresh }: Clone,
  path: string | undefined,
  env: ChildEnvironment,
): DevcontainerPlan {
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
