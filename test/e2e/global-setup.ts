// One system and one git server for the whole run; the tests find them through what is provided here.
import type { TestProject } from "vitest/node";
import { type GitServer, startGitServer } from "./git-server.ts";
import { provider } from "./provider.ts";
import { newDataFolder, removeSystem, startSystem, type System } from "./system.ts";

declare module "vitest" {
  interface ProvidedContext {
    system: System;
    git: { url: string; root: string };
  }
}

let git: GitServer;
let system: System;

export async function setup(project: TestProject): Promise<void> {
  git = await startGitServer();
  const data = newDataFolder();
  await provider.prepare(data);
  system = await startSystem({ data, vmHostPorts: [git.port] });
  project.provide("system", system);
  project.provide("git", { url: `http://${system.up.host_address}:${git.port}`, root: git.root });
}

export async function teardown(): Promise<void> {
  if (system !== undefined) await removeSystem(system.up.data);
  await git?.[Symbol.asyncDispose]();
}
