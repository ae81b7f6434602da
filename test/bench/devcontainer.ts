// Starts of Gitspaces with a dev container on the docker provider: from accepted to the workbench page, through the gateway.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { commitFiles, type GitServer, startGitServer } from "../e2e/git-server.ts";
import { DEV_CONTAINER_IMAGE, docker, installationOf, provider } from "../e2e/provider.ts";
import { down, newDataFolder, startSystem } from "../e2e/system.ts";
import { median, rounded } from "./figures.ts";
import { type Installation, openInstallationOn } from "./installation.ts";
import { type Stages, stagesOf } from "./stages.ts";
import { followState } from "./state-stream.ts";
import { untilShown } from "./shown.ts";
import { newVisitor } from "./visitor.ts";

type Run = { wallMs: number; stages: Stages };
type Round = { image: Run; build: Run; stopMs: number; restart: Run };

const COLD_RUNS = 3;
const configuration = ".devcontainer/devcontainer.json";
const HOUR_MINUTES = 60;

/** Milliseconds of starts, stops and restarts, and the megabytes of an agent that waits. */
export async function devcontainer(runs: number): Promise<Record<string, number>> {
  if (provider.kind !== "docker") throw new Error("Dev containers need GITSPACES_TEST_PROVIDER=docker.");
  await using git = await startGitServer();
  const image = commitFiles(git.root, "image", {
    "README.md": "# Image\n",
    [configuration]: JSON.stringify({ image: DEV_CONTAINER_IMAGE, postCreateCommand: "true" }),
  });
  const build = commitFiles(git.root, "build", {
    "README.md": "# Build\n",
    ".devcontainer/Dockerfile": `FROM ${DEV_CONTAINER_IMAGE}\nRUN echo built | sudo tee /etc/built\n`,
    [configuration]: JSON.stringify({ build: { dockerfile: "Dockerfile" }, postCreateCommand: "true" }),
  });
  await using installation = await openPrepared(git, build);
  const rounds: Round[] = [];
  let agentMb: number[] = [];
  for (let round = 0; round < runs; round++) {
    await installation.waitForWarm(1);
    agentMb = [...agentMb, ...(await agentMegabytes(installation))];
    rounds.push(await oneRound(installation, git, { image, build }));
    tellProgress(round + 1, runs, rounds);
  }
  const cold: number[] = [];
  for (let run = 0; run < Math.min(runs, COLD_RUNS); run++) {
    cold.push((await startNew(installation, git, build, "cold")).wallMs);
    process.stderr.write(`cold ${run + 1}: ${Math.round(cold.at(-1) ?? 0)} ms\n`);
  }
  return figuresOf(rounds, cold, agentMb);
}

function figuresOf(rounds: Round[], cold: number[], agentMb: number[]): Record<string, number> {
  const p50 = (values: number[]) => rounded(median(values));
  const unexplained = rounds.flatMap(({ image, build, restart }) => [image, build, restart].map(unexplainedPercent));
  const names = Object.keys(rounds[0]?.image.stages ?? {}) as (keyof Stages)[];
  return {
    warm_image_p50_ms: p50(rounds.map(({ image }) => image.wallMs)),
    warm_build_p50_ms: p50(rounds.map(({ build }) => build.wallMs)),
    nothing_preloaded_p50_ms: p50(cold),
    stop_p50_ms: p50(rounds.map(({ stopMs }) => stopMs)),
    restart_p50_ms: p50(rounds.map(({ restart }) => restart.wallMs)),
    gap_percent: p50(unexplained),
    agent_idle_mb: p50(agentMb),
    ...Object.fromEntries(
      names.map((name) => [`stage_${name}_ms`, p50(rounds.map(({ image }) => image.stages[name]))]),
    ),
    runs: rounds.length,
    cold_runs: cold.length,
  };
}

/** How much of a start is in none of its named stages. */
function unexplainedPercent({ stages, wallMs }: Run): number {
  const named = Object.values(stages).reduce((all, each) => all + each, 0);
  return (Math.abs(named - wallMs) / wallMs) * 100;
}

function tellProgress(done: number, of: number, rounds: Round[]): void {
  const last = rounds.at(-1);
  if (last === undefined) return;
  const [image, build, restart] = [last.image, last.build, last.restart].map(({ wallMs }) => Math.round(wallMs));
  const stop = Math.round(last.stopMs);
  process.stderr.write(`${done}/${of}: image ${image}, build ${build}, stop ${stop}, restart ${restart} ms\n`);
}

/** Three pools: with the image, with a repository's dev container built, and with nothing that stands ready. */
async function openPrepared(git: GitServer, build: string): Promise<Installation> {
  const data = newDataFolder();
  const pools = (hostAddress: string | undefined) => {
    const warm = hostAddress === undefined ? 0 : 1;
    const url = `http://${hostAddress ?? "127.0.0.1"}:${git.port}${build}`;
    const spec = { images: [DEV_CONTAINER_IMAGE] };
    const repository = { url, refresh_minutes: HOUR_MINUTES };
    const instances = [
      { name: "default", default: true, type: "docker", warm, max: 10, spec: { preload: spec } },
      { name: "built", type: "docker", warm, max: 10, spec: { preload: { ...spec, repository } } },
      { name: "cold", type: "docker", warm: 0, max: 10 },
    ];
    writeFileSync(join(data, "pool.yml"), JSON.stringify({ version: "1", instances }));
  };
  // The address of this machine on the VMs' network, which the prepared repository's URL is made of, is known once that is there.
  pools(undefined);
  const { up } = await startSystem({ data });
  await down(data);
  pools(up.host_address);
  return await openInstallationOn(data, [git.port]);
}

async function oneRound(
  installation: Installation,
  git: GitServer,
  { image, build }: { image: string; build: string },
): Promise<Round> {
  const first = await startNew(installation, git, image, "default", "keep");
  const { api, system } = installation;
  using state = await followState(system, first.id);
  const since = performance.now();
  await api.call("POST", `gitspaces/${first.id}/actions`, { action: "stop" });
  await state.until("stopped");
  const stopMs = performance.now() - since;
  await installation.waitForWarm(1);
  const restart = await startAgain(installation, first);
  await installation.remove(first.id);
  await installation.waitForWarm(1, "built");
  const built = await startNew(installation, git, build, "built");
  return { image: first, build: built, stopMs, restart };
}

type Started = Run & { id: string; address: string };

async function startNew(
  installation: Installation,
  git: GitServer,
  path: string,
  pool: string,
  after: "keep" | "remove" = "remove",
): Promise<Started> {
  const { api, system } = installation;
  const { identifier: id, url: address } = await api.call<{ identifier: string; url: string }>("POST", "gitspaces", {
    code_repo_url: `http://${system.up.host_address}:${git.port}${path}`,
    resource_identifier: pool,
  });
  const started = { id, address, ...(await startAgain(installation, { id, address })) };
  if (after === "remove") await installation.remove(id);
  return started;
}

/** Starts a Gitspace that does not run; the visitor is signed in already. */
async function startAgain(
  { api, system }: Installation,
  { id, address }: Pick<Started, "id" | "address">,
): Promise<Run> {
  using visitor = newVisitor();
  await visitor.visit(await api.signInLink(id));
  using state = await followState(system, id);
  await sleep(200);
  const known = (await api.events(id)).length;
  const sentAt = Date.now();
  const since = performance.now();
  await api.call("POST", `gitspaces/${id}/actions`, { action: "start" });
  await state.until("running");
  await untilShown(() => visitor.visit(address), address);
  const wallMs = performance.now() - since;
  const events = (await api.events(id)).filter(({ timestamp }) => known === 0 || timestamp >= sentAt - 1);
  return { wallMs, stages: stagesOf(events, sentAt, sentAt + wallMs) };
}

/** Resident megabytes (10^6 bytes) of the agent in each VM that waits. */
async function agentMegabytes({ system }: Installation): Promise<number[]> {
  const labels = [`gs-installation=${installationOf(system.up.data)}`, "gs-pool=default"];
  const vms = (await docker("ps", "--quiet", ...labels.map((label) => `--filter=label=${label}`))).split("\n");
  const sizes = vms
    .filter((id) => id !== "")
    .map(async (id) => {
      const rows = (await docker("top", id, "-eo", "pid,rss,args")).split("\n");
      // What starts the agent names it too, and is small.
      const sizes = rows
        .filter((row) => row.includes("packages/agent/src/main.ts"))
        .map((row) => (Number(row.trim().split(/\s+/)[1]) * 1_024) / 1e6);
      return sizes.length === 0 ? [] : [Math.max(...sizes)];
    });
  return (await Promise.all(sizes)).flat();
}
