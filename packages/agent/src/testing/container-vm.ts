// A real agent with the dev-container workplace, on the test engine as if that were its VM's own.
import { randomUUID } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createLog } from "@gitspaces/daemon";
import { stopContainers } from "../dev-container/contained.ts";
import type { Engine } from "../dev-container/engine.ts";
import { WORKSPACE_LABEL } from "../dev-container/existing-containers.ts";
import { closeInsideFolder } from "../dev-container/inside-folder.ts";
import { AgentVm, type Site } from "./agent-process.ts";
import { ENGINE_PATH, openTestEngine } from "./engine.ts";
import { makeRepository } from "./git-server.ts";

export const DEFAULT_IMAGE = "node:24-bookworm-slim";

/** A repository whose devcontainer.json is this one, served as `NAME.git`. */
export function makeDevcontainerRepository(root: string, name: string, devcontainer: object): void {
  const folder = mkdtempSync(join(root, "sample-"));
  mkdirSync(join(folder, ".devcontainer"));
  writeFileSync(join(folder, ".devcontainer/devcontainer.json"), JSON.stringify(devcontainer, null, 2));
  writeFileSync(join(folder, "README.md"), "# Sample\n");
  makeRepository(root, name, folder);
}

export class ContainerVm implements AsyncDisposable {
  readonly vm: AgentVm;
  readonly engine: Engine;
  readonly homeVolume: string;

  constructor(site: Site, engine: Engine, env: Record<string, string> = {}) {
    this.engine = engine;
    this.homeVolume = `gs-f-home-${randomUUID().slice(0, 8)}`;
    this.vm = new AgentVm(site, {
      env: {
        PATH: ENGINE_PATH,
        DOCKER_HOST: engine.env["DOCKER_HOST"] ?? "",
        GITSPACES_WORKPLACE: "dev-container",
        GITSPACES_HOME_VOLUME: this.homeVolume,
        GITSPACES_DEFAULT_IMAGE: DEFAULT_IMAGE,
        ...env,
      },
    });
    // Another account than this one clones.
    for (const folder of [site.folder, this.vm.folder, this.vm.home]) chmodSync(folder, 0o755);
  }

  /** The ids of the Gitspace's containers, running or not. */
  async containers(...filter: string[]): Promise<string[]> {
    const workspace = `label=${WORKSPACE_LABEL}=${this.vm.home}/workspaces/sample`;
    const args = ["ps", "--quiet", "--no-trunc", "--filter", workspace, ...filter];
    return (await this.engine.ask(args, AbortSignal.timeout(20_000))).split("\n").filter((id) => id !== "");
  }

  /** What a command inside says, as the person's user. */
  async inside(script: string, user = "node"): Promise<string> {
    const [id = ""] = await this.containers();
    return await this.engine.ask(["exec", "--user", user, id, "sh", "-c", script], AbortSignal.timeout(20_000));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const signal = AbortSignal.timeout(30_000);
    await this.vm[Symbol.asyncDispose]();
    const left = await this.containers("--all");
    if (left.length > 0) await this.engine.docker(["rm", "--force", ...left], { signal });
    await stopContainers(this.engine, this.vm.home, createLog("agent", "silent"));
    await this.engine.docker(["volume", "rm", "--force", this.homeVolume], { signal });
    await closeInsideFolder(join(this.vm.state, "inside"));
  }
}

/** A started agent. */
export async function startContainerVm(site: Site, env?: Record<string, string>): Promise<ContainerVm> {
  const made = new ContainerVm(site, await openTestEngine(), env);
  await made.vm.start();
  return made;
}
