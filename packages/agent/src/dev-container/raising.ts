// From a clone to a dev container that runs, by the reference implementation. The repository's configuration is hostile until the
// policy has seen it; where it cannot be used, the default image takes its place, so that the person gets in and mends it.
import { mkdirSync, realpathSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fail, FailureError, type Secrets } from "@gitspaces/contracts";
import { failpoint } from "@gitspaces/daemon";
import type { Clone } from "../clone.ts";
import type { Work } from "../work.ts";
import { bringUp, projectOf, type Site, type Up } from "./bringing-up.ts";
import { endOrphans } from "./cli.ts";
import type { ComposeFile } from "./compose-policy.ts";
import type { Container } from "./container.ts";
import { mergeEnv, probeEnv } from "./container-facts.ts";
import type { Engine } from "./engine.ts";
import { findContainers, stopBeside } from "./existing-containers.ts";
import { resolvePath } from "./gate-bounds.ts";
import { runLifecycle, startAttach } from "./lifecycle.ts";
import { customizationsOf, hooksOf } from "./merged-configuration.ts";
import { type Plan, prepare } from "./preparation.ts";
import type { Policy } from "./policy.ts";
import type { Offer } from "./prepared-use.ts";
import { readRaised, type RaisedRecord } from "./raised-record.ts";
import { recoveryPlan, recoverySentence } from "./recovery.ts";
import { lendRegistryLogin } from "./registry-login.ts";

export type Raising = {
  engine: Engine;
  clone: Clone;
  devcontainerPath: string | undefined;
  /** The volume that is the remote user's home. */
  homeVolume: string;
  policy: Policy;
  defaultImage: string;
  /** What the VM itself mounts, as `type=bind,source=…,target=…[,readonly]`. */
  mounts: readonly string[];
  secrets: Secrets;
  /** A private folder in memory. */
  runFolder: string;
  /** A folder of the home disk for root alone. */
  stateFolder: string;
  /** What this VM holds of the repository already. */
  prepared?: Offer | undefined;
  /** What the person's programs need from outside, made ready before a hook may want it. */
  beforeHooks?: (container: Container) => Promise<void>;
};

/**
 * A container that fits, its hooks run: the one that runs, else the one that is there, else a new one.
 * @throws {FailureError} `internal` when not even the default image can run, or what the work was aborted with.
 */
export async function raiseContainer(work: Work, raising: Raising): Promise<Container> {
  using site = openSite(work, raising);
  const { workspace } = site;
  const present = await findContainers(raising.engine, workspace, work.signal);
  const running = present.find(({ state }) => state === "running");
  const record = readRaised(raising.stateFolder);
  if (running !== undefined && record !== undefined && running.fingerprint === record.fingerprint)
    return await finish(site, planOf(record), record.recovery);
  // A service that still writes to the workspace could put a link in the place of a folder between the look at it and its build.
  if (present.length > 0 || record !== undefined)
    await stopBeside(raising.engine, workspace, projectOf(workspace), work.signal);
  try {
    const plan = await readRepository(site);
    return await finish(site, plan, null);
  } catch (error) {
    work.signal.throwIfAborted();
    if (!(error instanceof FailureError)) throw error;
    return await recover(site, error);
  }
}

/** A place to raise in; what it lends is gone when it is disposed of. What an earlier one left at work ends. */
export function openSite(work: Work, raising: Raising): Site & Disposable {
  const { engine, clone, secrets, runFolder, stateFolder } = raising;
  const workspace = realpathSync(clone.folder);
  endOrphans(workspace);
  for (const { password } of secrets.registries ?? []) work.hide(password);
  for (const value of Object.values(secrets.variables ?? {})) work.hide(value);
  const scratch = join(runFolder, "raising");
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch, { recursive: true, mode: 0o700 });
  mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
  using cleanup = new DisposableStack();
  cleanup.defer(() => rmSync(scratch, { recursive: true, force: true }));
  const login = cleanup.use(lendRegistryLogin(secrets.registries ?? [], runFolder));
  const close = cleanup.move();
  const site = { work, engine, workspace, scratch, dockerConfig: login.folder, raising };
  return { ...site, [Symbol.dispose]: () => close.dispose() };
}

/** The plan of the site's repository. @throws {FailureError} `devcontainer_invalid` or `bad_request` */
export async function readRepository({ work, raising, workspace, scratch, engine }: Site): Promise<Plan> {
  work.emit("fetch_devcontainer_start", "Reading devcontainer.json");
  const { devcontainerPath, defaultImage, policy, mounts, homeVolume } = raising;
  const bounds = { workspace, resolve: resolvePath, ownMounts: [], ownLabels: [], ownFolders: [scratch], policy };
  const { signal } = work;
  try {
    const ground = [mounts, homeVolume];
    const { env } = engine;
    const plan = await prepare({ repository: workspace, devcontainerPath, defaultImage, ground, env, signal }, bounds);
    failpoint("agent.afterConfiguration");
    work.emit("fetch_devcontainer_completed", `Read: ${plan.source}`);
    for (const sentence of plan.notes) work.emit("note", sentence);
    return plan;
  } catch (error) {
    if (!signal.aborted)
      work.emit("fetch_devcontainer_failed", error instanceof Error ? error.message : "It could not be read");
    throw error;
  }
}

async function finish(site: Site, plan: Plan, recovery: Container["recovery"]): Promise<Container> {
  const { work, engine } = site;
  work.emit("agent_devcontainer_start", `Starting from ${plan.source}`);
  let up: Up;
  try {
    up = await bringUp(site, plan, recovery);
  } catch (error) {
    if (!work.signal.aborted)
      work.emit("agent_devcontainer_failed", error instanceof Error ? error.message : "It could not be started");
    throw error;
  }
  for (const sentence of up.notApplied) work.emit("note", sentence);
  if (up.isNew && hooksOf(up.merged).length > 0 && recovery === null)
    work.emit("note", "The container is new: the hooks of creation run.");
  const { facts, merged } = up;
  const container: Container = {
    id: up.id,
    pid: facts.pid,
    user: facts.user,
    workspaceFolder: up.workspaceFolder,
    env: mergeEnv(facts.env, {}, merged.remoteEnv),
    libc: facts.libc,
    customizations: customizationsOf(merged),
    forwardPorts: merged.forwardPorts,
    portsAttributes: merged.portsAttributes,
    recovery,
    notApplied: up.notApplied,
  };
  await site.raising.beforeHooks?.(container);
  if (recovery === null)
    container.notApplied = [...up.notApplied, ...(await runLifecycle(work, { args: up.args, env: up.env, merged }))];
  // Hooks may have changed what a login shell sets.
  const probed = await probeEnv(engine, up.id, facts.user, merged.userEnvProbe, work.signal);
  container.env = mergeEnv(facts.env, probed, merged.remoteEnv);
  if (recovery === null && !up.wasRunning)
    container.notApplied.push(...(await startAttach(work, engine, container, merged)));
  work.emit(
    "agent_devcontainer_completed",
    recovery === null ? "The dev container runs" : "The recovery container runs",
  );
  return container;
}

/** The default image with the workspace in it; no hooks. */
async function recover(site: Site, error: FailureError): Promise<Container> {
  const { work, raising } = site;
  const because = work.redact(error.failure.message);
  work.emit("note", recoverySentence(because), { recovery: true });
  try {
    return await finish(site, recoveryPlan(site.workspace, raising.defaultImage, because), { because });
  } catch (cause) {
    work.signal.throwIfAborted();
    const words = cause instanceof Error ? cause.message : "it did not start";
    throw fail("internal", `${because} Nor could the default image ${raising.defaultImage} be used: ${words}`, {
      cause,
    });
  }
}

function planOf(record: RaisedRecord): Plan {
  const { configPath, configuration, fingerprint, notApplied } = record;
  const compose = record.compose === null ? undefined : (record.compose as ComposeFile);
  const from = { configPath, configuration, compose, fingerprint, notApplied, inputs: {}, copiesFiles: false };
  return { ...from, source: "the container that runs", dockerfileUser: undefined, notes: [] };
}
