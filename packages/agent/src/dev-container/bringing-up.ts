// One call after the other of the reference implementation, until a container of a plan runs with the right home and owner.
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fail } from "@gitspaces/contracts";
import { failpoint } from "@gitspaces/daemon";
import type { Work } from "../work.ts";
import { CliListener } from "./cli-listener.ts";
import { answerManifest, devcontainer, type Outcome, RAISING } from "./cli.ts";
import type { Container } from "./container.ts";
import { type Facts, lookInside } from "./container-facts.ts";
import type { Engine } from "./engine.ts";
import {
  CONFIG_LABEL,
  type Existing,
  containersBeside,
  findContainers,
  mountsStillFit,
  removeContainers,
  WORKSPACE_LABEL,
} from "./existing-containers.ts";
import { type GateBounds, gateEnvironment, gateProgram, readNotApplied, resolvePath } from "./gate-bounds.ts";
import { guessHome } from "./home-guess.ts";
import { Merged } from "./merged-configuration.ts";
import { homeMount, parseMount } from "./mount-policy.ts";
import { isInside } from "./policy.ts";
import { giveTo } from "./ownership.ts";
import { type Plan, withMounts } from "./preparation.ts";
import { markDone, type Use, usePrepared } from "./prepared-use.ts";
import { type RaisedRecord, readRaised, writeRaised } from "./raised-record.ts";
import type { Raising } from "./raising.ts";

/** Where a container is raised. `scratch` is a private folder in memory. */
export type Site = {
  work: Work;
  engine: Engine;
  workspace: string;
  scratch: string;
  dockerConfig: string;
  raising: Raising;
};
export type Up = {
  id: string;
  isNew: boolean;
  /** It ran before this start: nobody attaches anew. */
  wasRunning: boolean;
  facts: Facts;
  merged: Merged;
  workspaceFolder: string;
  notApplied: string[];
  /** For further calls about the same container. */
  args: string[];
  env: Record<string, string>;
};
type Call = { args: string[]; env: Record<string, string>; outcome: Outcome; notApplied: string[] };

/** @throws {FailureError} `devcontainer_invalid` naming the stage and what was said last. */
export async function bringUp(site: Site, plan: Plan, recovery: Container["recovery"]): Promise<Up> {
  const { work, engine, workspace, raising } = site;
  const { stateFolder, homeVolume } = raising;
  const record = readRaised(stateFolder);
  const known = record?.fingerprint === plan.fingerprint ? record : undefined;
  const existing = await findFitting(site, plan, known?.home);
  const use = recovery === null && existing === undefined ? await useOf(site, plan, record) : undefined;
  const from = use?.plan ?? plan;
  const home = known?.home ?? use?.home ?? (await guessHome(engine, plan, work.signal));
  await engine.ask(["volume", "create", homeVolume], work.signal);
  failpoint("agent.afterHomeVolume");
  const homeFolder = folderOf(engine, homeVolume, work.signal);
  homeFolder.catch(() => {});

  let call = await up(site, from, home);
  let facts = await look(site, call.outcome);
  if (facts.user.home !== home && existing === undefined) {
    // Where the home is was not known before the image was there. No hook has run yet.
    await removeContainers(engine, workspace, projectOf(workspace), work.signal);
    call = await up(site, from, facts.user.home);
    facts = await look(site, call.outcome);
  }
  const { outcome, args, env } = call;
  const notApplied =
    known !== undefined && existing !== undefined ? known.notApplied : [...plan.notApplied, ...call.notApplied];
  await giveTo(workspace, facts.user, work.signal);
  if (facts.user.home !== "/") await giveTo(await homeFolder, facts.user, work.signal);
  failpoint("agent.afterOwner");
  const { configuration, configPath, fingerprint } = plan;
  const compose = plan.compose ?? null;
  const madeFrom = { fingerprint, configuration, configPath, compose };
  let merged = Merged.parse(outcome["mergedConfiguration"] ?? {});
  const id = String(outcome["containerId"]);
  // Before the record: a container that is known is not looked at again.
  if (use !== undefined) merged = await markDone(engine, { id, user: facts.user, merged, done: use.done }, work.signal);
  writeRaised(stateFolder, { ...madeFrom, home: facts.user.home, notApplied, recovery });
  failpoint("agent.afterRaised");
  return {
    id,
    isNew: existing === undefined,
    wasRunning: existing?.state === "running",
    facts,
    merged,
    workspaceFolder: String(outcome["remoteWorkspaceFolder"]),
    notApplied,
    args,
    env,
  };
}

/** What is used of the prepared image; a note says why it is not. */
async function useOf(
  { engine, work, raising }: Site,
  plan: Plan,
  raised: RaisedRecord | undefined,
): Promise<Use | undefined> {
  const { prepared } = raising;
  if (prepared === undefined) return undefined;
  let use: Use | { why: string } = usePrepared(prepared, plan, raised);
  if ("plan" in use) {
    const image = use.plan.configuration.image ?? "";
    const { code } = await engine.docker(["image", "inspect", "--format", "{{.Id}}", "--", image], {
      signal: work.signal,
    });
    if (code !== 0) use = { why: "its image is gone" };
  }
  work.emit(
    "note",
    "why" in use ? `The prepared dev container was not used: ${use.why}.` : "The prepared dev container is used.",
  );
  return "why" in use ? undefined : use;
}

/** The container of this plan that is there. All others are removed first: nothing of the person runs while mounts are looked up. */
async function findFitting(
  { engine, workspace, work, raising }: Site,
  plan: Plan,
  home: string | undefined,
): Promise<Existing | undefined> {
  const all = await findContainers(engine, workspace, work.signal);
  const fitting = all.find(
    ({ fingerprint, state }) => fingerprint === plan.fingerprint && !/^(?:dead|removing)$/.test(state),
  );
  const isKnown = fitting !== undefined && home !== undefined && all.length === 1;
  if (isKnown && fitting.state === "running") return fitting;
  if (isKnown) {
    const own = raising.mounts.map((mount) => parseMount(mount).source);
    const isAllowed = (source: string) => own.includes(source) || isInside(source, { workspace, resolve: resolvePath });
    const ids = await containersBeside(engine, workspace, projectOf(workspace), work.signal);
    if (await mountsStillFit(engine, ids, isAllowed, work.signal)) return fitting;
    work.emit(
      "note",
      "A folder that is mounted into the container leads elsewhere now, so the container is made anew.",
    );
  }
  if (all.length > 0) await removeContainers(engine, workspace, projectOf(workspace), work.signal);
  failpoint("agent.afterOldContainers");
  return undefined;
}

/** Has the reference implementation make or start the container, its home in the home volume unless that is `/`. No hook runs. */
export async function up(site: Site, plan: Plan, home: string): Promise<Call> {
  const { work, workspace, scratch, raising } = site;
  const { homeVolume, mounts, policy, secrets } = raising;
  // A home at the root would hide the image itself.
  const mountOfHome = home === "/" ? [] : [homeMount(homeVolume, home)];
  const ownMounts = [...mountOfHome, ...mounts];
  const ownLabels = [`${WORKSPACE_LABEL}=${workspace}`, `${CONFIG_LABEL}=${plan.fingerprint}`];
  const file = (name: string, content: unknown) => {
    const path = join(scratch, name);
    writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content), { mode: 0o600 });
    return path;
  };
  const notAppliedFile = file("not-applied", "");
  const ownFolders = [scratch];
  const bounds: GateBounds = { workspace, ownMounts, ownLabels, ownFolders, policy, notAppliedFile };
  const configuration = file("devcontainer.json", withMounts(plan, ownMounts, join(scratch, "docker-compose.json")));
  const env = {
    ...site.engine.env,
    ...gateEnvironment(file("bounds.json", bounds)),
    [RAISING]: workspace,
    HOME: scratch,
    TMPDIR: scratch,
    DOCKER_CONFIG: site.dockerConfig,
    COMPOSE_PROJECT_NAME: projectOf(workspace),
    ...(process.env["NODE_COMPILE_CACHE"] === undefined
      ? {}
      : { NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] }),
  };
  const place = ["--workspace-folder", workspace, "--config", plan.configPath, "--override-config", configuration];
  const labels = ownLabels.flatMap((label) => ["--id-label", label]);
  const programs = ["--docker-path", gateProgram("docker"), "--docker-compose-path", gateProgram("docker-compose")];
  const args = [...place, ...labels, ...programs, "--mount-workspace-git-root", "false"];
  // The lock file would be written by root into the repository, wherever a symbolic link there leads.
  const choices = ["--skip-post-create", "--include-merged-configuration", "--no-lockfile"];
  if (Object.keys(plan.configuration.features ?? {}).every((name) => name.startsWith("."))) answerManifest(scratch);
  const listener = new CliListener(work);
  const outcome = await devcontainer({
    args: ["up", ...args, ...choices, "--update-remote-user-uid-default", "never"],
    env,
    signal: work.signal,
    onLine: listener.line,
  });
  failpoint("agent.afterUp");
  if (outcome.outcome === "error") throw failed(listener, outcome);
  listener.imageDone();
  const withSecrets =
    secrets.variables === undefined ? args : [...args, "--secrets-file", file("secrets.json", secrets.variables)];
  return { args: withSecrets, env, outcome, notApplied: readNotApplied(notAppliedFile) };
}

/** A command line of the VM helps nobody; what the command said does. */
const isCommandLine = /^(?:undefined$|null$|$|Command failed: )/;

function failed(listener: CliListener, outcome: Outcome): Error {
  listener.imageFailed();
  const words = [outcome["description"], outcome["message"]].map(String).find((each) => !isCommandLine.test(each));
  const what = `${listener.doing} failed${words === undefined ? "" : `: ${words}`}`.replace(/\.?$/, ".");
  const last = listener.lastLines();
  return fail("devcontainer_invalid", last === "" ? what : `${what} It said last: ${last}.`, {
    details: { stage: listener.doing },
  });
}

/** @throws {FailureError} `devcontainer_invalid` for a container that is over already. */
export async function look({ engine, work }: Site, outcome: Outcome): Promise<Facts> {
  try {
    return await lookInside(engine, String(outcome["containerId"]), String(outcome["remoteUser"]), work.signal);
  } catch (cause) {
    work.signal.throwIfAborted();
    throw fail("devcontainer_invalid", `The container ended as soon as it began: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** Where a volume's content is on the VM. */
async function folderOf(engine: Engine, volume: string, signal: AbortSignal): Promise<string> {
  return (await engine.ask(["volume", "inspect", "--format", "{{.Mountpoint}}", volume], signal)).trim();
}

/** One Compose project for each workspace, by a name that Compose takes as it is. */
export function projectOf(workspace: string): string {
  const digest = createHash("sha256").update(workspace).digest("hex").slice(0, 6);
  return `gs-${basename(workspace)
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]/g, "")}-${digest}`;
}
