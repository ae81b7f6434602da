// The crash table: at each failpoint of a Gitspace's life each process is killed, and nothing is lost or left over.
import { expect, test } from "vitest";
import { judgeAll, type OpenSite, trace } from "./crash-houses.ts";
import { type Act, planCells, shareOf, victims } from "./crash-plan.ts";
import { printTable } from "./crash-report.ts";
import { failpointsOnTheWay } from "./failpoints.ts";
import { openHouse } from "./house.ts";
import { keptFile } from "./keepsake.ts";

const HOUSES = Number(process.env["HOUSES"] ?? 4);
const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 1_000));
/** Only failpoints with this in their name, for a closer look. */
const only = process.env["POINTS"] ?? "";
/** A run takes one cell of so many; runs with seeds from a multiple of it on take them all between them. */
const share = Number(process.env["CRASH_SHARE"] ?? 2);
const settings = { GITSPACES_TASK_LOCK_MS: "2000", GITSPACES_SWEEP_MS: "2000", GITSPACES_DELETE_GRACE_MS: "0" };
const devcontainer = { name: "crash", postCreateCommand: "true", postStartCommand: "true" };
const files = { "README.md": "# Crash table\n", ".devcontainer/devcontainer.json": JSON.stringify(devcontainer) };

const open: OpenSite = async () => {
  const house = await openHouse({ env: settings });
  const site = { house, url: house.repository("crash", files), keepsake: keptFile(house) };
  return { ...site, [Symbol.asyncDispose]: () => house[Symbol.asyncDispose]() };
};

test("I1 I2 I3 I4 I5 I6 I8 E1: whoever is killed at whatever point, nothing is lost and nothing leaks", async () => {
  const passedIn = await trace(open);
  const missing = failpointsOnTheWay.filter((point) => !passedIn.has(point));
  const points = failpointsOnTheWay.filter((point) => passedIn.has(point) && point.includes(only));
  const turn = Math.floor(seed / share);
  const all = planCells(new Map(points.map((point) => [point, passedIn.get(point) as Act[]])), turn);
  const cells = shareOf(all, share, seed);
  console.log(
    `${points.length} failpoints, seed ${seed}, ${cells.length} of ${all.length} crash points (CRASH_SHARE=${share}). ` +
      `Not passed in a life: ${missing.join(", ") || "none"}`,
  );
  const verdicts = await judgeAll(open, cells, passedIn, HOUSES);
  printTable(verdicts);
  // Each point and each process had its turn: a table that lacks a row would hold too easily.
  const judged = new Set(verdicts.map(({ point, victim }) => `${point} ${victim}`));
  expect(points.length).toBeGreaterThan(0);
  expect(judged.size).toBe(cells.length);
  expect(new Set(verdicts.map(({ point }) => point)).size).toBe(points.length);
  expect(new Set(verdicts.map(({ victim }) => victim)).size).toBe(Math.min(victims.length, cells.length));
  expect(verdicts.filter(({ verdict }) => verdict !== "held")).toEqual([]);
  expect(missing).toEqual([]);
}, 1_200_000);
