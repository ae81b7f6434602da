// The crash table where VMs are containers: what a dev container adds to a Gitspace's life, cut short at each of its failpoints.
import { expect, test } from "vitest";
import { devContainerFailpointNames } from "../../packages/agent/src/dev-container/failpoints.ts";
import { judgeAll, type OpenSite, trace } from "./crash-houses.ts";
import { type Act, planCells, shareOf, victims } from "./crash-plan.ts";
import { printTable } from "./crash-report.ts";
import { openHouse } from "./house.ts";
import { keptWork } from "./keepsake.ts";

const HOUSES = Number(process.env["HOUSES"] ?? 2);
const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 1_000));
/** Only failpoints with this in their name, for a closer look. */
const only = process.env["POINTS"] ?? "";
/** A run takes one cell of so many; runs with seeds from a multiple of it on take them all between them. */
const share = Number(process.env["CRASH_SHARE"] ?? 4);
const settings = { GITSPACES_TASK_LOCK_MS: "2000", GITSPACES_SWEEP_MS: "2000", GITSPACES_DELETE_GRACE_MS: "0" };
const hooks = { postCreateCommand: "true", postStartCommand: "true", postAttachCommand: "true" };
const files = {
  "README.md": "# Crash table\n",
  ".devcontainer/devcontainer.json": JSON.stringify({ name: "crash", ...hooks }),
};

/** A life that nobody disturbs does not pass them; the faults of VMs do. */
const unusual = ["agent.afterReturn", "agent.afterOldContainers"];
/** Passed only where a pool has a repository prepared in its VMs, and this one has none. */
const ofPreparation = (point: string) =>
  point.startsWith("agent.afterPrepared") || point === "agent.afterCredentialWiped";
const onTheWay = devContainerFailpointNames.filter((point) => !unusual.includes(point) && !ofPreparation(point));

const open: OpenSite = async () => {
  const house = await openHouse({ env: settings, provider: "docker" });
  const site = { house, url: house.repository("crash", files), keepsake: keptWork(house, files, seed) };
  return { ...site, [Symbol.asyncDispose]: () => house[Symbol.asyncDispose]() };
};

test("I1 I2 I3 I4 I5 I6 I8 E1: whoever is killed at whatever point of a dev container's life, nothing is lost and nothing leaks", async () => {
  const passedIn = await trace(open);
  const missing = onTheWay.filter((point) => !passedIn.has(point));
  const points = onTheWay.filter((point) => passedIn.has(point) && point.includes(only));
  const turn = Math.floor(seed / share);
  const all = planCells(new Map(points.map((point) => [point, passedIn.get(point) as Act[]])), turn);
  const cells = shareOf(all, share, seed);
  console.log(
    `${points.length} failpoints, seed ${seed}, ${cells.length} of ${all.length} crash points (CRASH_SHARE=${share}). ` +
      `Not passed in a life: ${missing.join(", ") || "none"}`,
  );
  const verdicts = await judgeAll(open, cells, passedIn, HOUSES);
  printTable(verdicts);
  expect(points.length).toBeGreaterThan(0);
  expect(new Set(verdicts.map(({ point, victim }) => `${point} ${victim}`)).size).toBe(cells.length);
  expect(new Set(verdicts.map(({ victim }) => victim)).size).toBe(Math.min(victims.length, cells.length));
  expect(verdicts.filter(({ verdict }) => verdict !== "held")).toEqual([]);
  expect(missing).toEqual([]);
}, 3_000_000);
