// The crash table: at each failpoint of a Gitspace's life each process is killed, and nothing is lost or left over.
import { cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Act, acts, type Cell, planCells, planLaps, victims } from "./crash-plan.ts";
import { live, settle, type Verdict } from "./crash-lap.ts";
import { printTable } from "./crash-report.ts";
import { failpointsOnTheWay } from "./failpoints.ts";
import { type House, openHouse } from "./house.ts";
import { person } from "./life.ts";

const HOUSES = Number(process.env["HOUSES"] ?? 4);
/** A point may lie on a way that an action takes only now and then. */
const TRIES = 3;
const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 1_000));
/** Only failpoints with this in their name, for a closer look; what a broken house left is copied to `EVIDENCE`. */
const only = process.env["POINTS"] ?? "";
const evidence = process.env["EVIDENCE"];
const settings = { GITSPACES_TASK_LOCK_MS: "2000", GITSPACES_SWEEP_MS: "2000", GITSPACES_DELETE_GRACE_MS: "0" };
const devcontainer = { name: "crash", postCreateCommand: "true", postStartCommand: "true" };
const files = { "README.md": "# Crash table\n", ".devcontainer/devcontainer.json": JSON.stringify(devcontainer) };

test("I1 I2 I3 I4 I5 I6 I8 E1: whoever is killed at whatever point, nothing is lost and nothing leaks", async () => {
  const passedIn = await trace();
  const missing = failpointsOnTheWay.filter((point) => !passedIn.has(point));
  const points = failpointsOnTheWay.filter((point) => passedIn.has(point) && point.includes(only));
  console.log(`${points.length} failpoints, seed ${seed}. Not passed in a life: ${missing.join(", ") || "none"}`);

  const verdicts: Verdict[] = [];
  let left: Cell[] = planCells(new Map(points.map((point) => [point, passedIn.get(point) as Act[]])), seed);
  for (let round = 1; round <= TRIES && left.length > 0; round++) {
    const judged: Verdict[] = [];
    const cells = [...left];
    await Promise.all(Array.from({ length: HOUSES }, async () => await work(cells, judged)));
    const unreached = judged.filter(({ verdict }) => verdict === "unreached");
    verdicts.push(...(round === TRIES ? judged : judged.filter((each) => !unreached.includes(each))));
    left = unreached.map(({ point, victim, act }) => {
      const possible = passedIn.get(point) as Act[];
      return { point, victim, act: possible[(possible.indexOf(act) + 1) % possible.length] as Act };
    });
  }
  printTable(verdicts);
  // Every process was killed at every point: a table that lacks a row would hold too easily.
  const judged = new Set(verdicts.map(({ point, victim }) => `${point} ${victim}`));
  expect(points.length).toBeGreaterThan(0);
  expect(judged.size).toBe(points.length * victims.length);
  expect(verdicts.filter(({ verdict }) => verdict !== "held")).toEqual([]);
  expect(missing).toEqual([]);
}, 1_200_000);

/** Which actions pass which failpoint, learnt from one life without a fault. */
async function trace(): Promise<Map<string, Act[]>> {
  await using house = await openHouse({ env: settings });
  const url = house.repository("crash", files);
  const someone = person(house);
  let id = "";
  const passedIn = new Map<string, Act[]>();
  for (const act of acts) {
    house.arms.trace();
    if (id === "") id = await someone.create(url);
    await someone.ask(id, act);
    const { state, reason } = await someone.outcome(id);
    const { found } = await settle(house, new Map([[id, state]]));
    if (state === "error" || found.length > 0)
      throw new Error(`${act} without a fault: ${state} ${reason} ${found.join("; ")}`);
    for (const point of house.arms.traced()) passedIn.set(point, [...(passedIn.get(point) ?? []), act]);
    house.arms.clearTrace();
  }
  return passedIn;
}

/** Takes cells until none is left. A house that was broken is left for a new one. */
async function work(cells: Cell[], verdicts: Verdict[]): Promise<void> {
  while (cells.length > 0) {
    await using house = await openHouse({ env: settings });
    const url = house.repository("crash", files);
    for (let isWhole = true; isWhole && cells.length > 0; ) {
      const [lap = {}] = planLaps(cells);
      for (const cell of Object.values(lap)) cells.splice(cells.indexOf(cell), 1);
      const done = new Set<Cell>();
      isWhole = await live(house, url, lap, (verdict) => {
        for (const cell of Object.values(lap)) if (cell.act === verdict.act) done.add(cell);
        verdicts.push(verdict);
        if (verdict.verdict === "broken") show(house, verdict);
      });
      cells.push(...Object.values(lap).filter((cell) => !done.has(cell)));
    }
  }
}

function show(house: House, { point, victim, act, found }: Verdict): void {
  console.log(`broken: ${victim} killed at ${point} in ${act}: ${found.join("; ")}`);
  if (evidence === undefined) return;
  const folder = join(evidence, `${point}-${victim}-${act}`);
  mkdirSync(folder, { recursive: true });
  for (const name of ["logs", "control-plane.db", "control-plane.db-wal", "delegate.db", "delegate.db-wal"])
    cpSync(join(house.data, name), join(folder, name), { recursive: true });
}
