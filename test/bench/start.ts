// From an accepted start to the workbench page, through the gateway, the repository cloned in between.
import { commitFiles, type GitServer, startGitServer } from "../e2e/git-server.ts";
import { median, rounded } from "./figures.ts";
import { type Installation, openInstallation } from "./installation.ts";
import { untilShown } from "./shown.ts";
import { type Stages, stagesOf } from "./stages.ts";
import { followState } from "./state-stream.ts";
import { newVisitor } from "./visitor.ts";

type Start = { wallMs: number; stages: Stages; isWarm: boolean };

const COLD_RUNS = 5;

/** Milliseconds of starts: from a warm VM, of another repository, and with no VM ready. */
export async function start(runs: number): Promise<Record<string, number>> {
  await using git = await startGitServer();
  const { first, second } = makeRepositories(git);
  const warm: Start[] = [];
  const other: Start[] = [];
  {
    await using installation = await openInstallation({ warm: 1, vmHostPorts: [git.port] });
    // Turn and turn about, so that a change of the machine's mood meets both.
    for (let run = 0; run < runs; run++) {
      warm.push(await startOnce(installation, git, first, true));
      other.push(await startOnce(installation, git, second, true));
    }
  }
  await using installation = await openInstallation({ warm: 0, vmHostPorts: [git.port] });
  const cold: Start[] = [];
  for (let run = 0; run < Math.min(runs, COLD_RUNS); run++) cold.push(await startOnce(installation, git, first, false));
  return figuresOf(warm, other, cold);
}

function figuresOf(warm: Start[], other: Start[], cold: Start[]): Record<string, number> {
  const wall = (starts: Start[]) => median(starts.map(({ wallMs }) => wallMs));
  const sum = ({ stages }: Start) => Object.values(stages).reduce((all, each) => all + each, 0);
  const unexplained = warm.map((each) => (Math.abs(sum(each) - each.wallMs) / each.wallMs) * 100);
  const names = Object.keys(warm[0]?.stages ?? {}) as (keyof Stages)[];
  return {
    warm_median_ms: rounded(wall(warm)),
    second_median_ms: rounded(wall(other)),
    cold_median_ms: rounded(wall(cold)),
    gap_percent: rounded((Math.abs(wall(other) - wall(warm)) / wall(warm)) * 100),
    unexplained_percent: rounded(median(unexplained)),
    ...Object.fromEntries(
      names.map((name) => [`stage_${name}_ms`, rounded(median(warm.map(({ stages }) => stages[name])))]),
    ),
    runs: warm.length,
    cold_runs: cold.length,
  };
}

/** Two repositories of about the same weight and different shape: what git itself takes for a bigger one is not ours to measure. */
function makeRepositories(git: GitServer): { first: string; second: string } {
  const files = (count: number, bytes: number, folder: (index: number) => string) =>
    Object.fromEntries(
      Array.from({ length: count }, (_, index) => [
        `${folder(index)}/file-${index}.txt`,
        `${index}\n`.repeat(bytes / 4),
      ]),
    );
  return {
    first: commitFiles(git.root, "first", { "README.md": "# First\n", ...files(40, 2_000, () => "flat") }),
    second: commitFiles(git.root, "second", {
      "README.md": "# Second\n",
      ...files(50, 1_600, (index) => `a/b/${index % 9}`),
    }),
  };
}

async function startOnce(installation: Installation, git: GitServer, path: string, isWarm: boolean): Promise<Start> {
  const { api, system } = installation;
  const url = `http://${system.up.host_address}:${git.port}${path}`;
  const { identifier: id, url: address } = await api.call<{ identifier: string; url: string }>("POST", "gitspaces", {
    code_repo_url: url,
  });
  using visitor = newVisitor();
  await visitor.visit(await api.signInLink(id));
  using state = await followState(system, id);
  if (isWarm) await installation.waitForWarm(1);

  const sentAt = Date.now();
  const since = performance.now();
  await api.call("POST", `gitspaces/${id}/actions`, { action: "start" });
  const gitspace = await state.until("running");
  await untilShown(() => visitor.visit(address), address);
  const wallMs = performance.now() - since;
  if (gitspace.instance?.warm !== isWarm)
    throw new Error(`the start of ${id} was meant to be ${isWarm ? "warm" : "cold"} and was not`);
  const stages = stagesOf(await api.events(id), sentAt, sentAt + wallMs);
  await installation.remove(id);
  return { wallMs, stages, isWarm };
}
