// Cells of the crash table taken through houses, and which action passes which failpoint there.
import { cpSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Act, acts, type Cell, planLaps } from "./crash-plan.ts";
import { live, settle, type Site, type Verdict } from "./crash-lap.ts";
import { person } from "./life.ts";

/** A point may lie on a way that an action takes only now and then. */
const TRIES = 3;
/** What a broken house left is copied there. */
const evidence = process.env["EVIDENCE"];

export type PassedIn = Map<string, Act[]>;
export type OpenSite = () => Promise<Site & AsyncDisposable>;

/** Which actions pass which failpoint, learnt from one life without a fault. */
export async function trace(open: OpenSite): Promise<PassedIn> {
  await using site = await open();
  const { house, url } = site;
  const someone = person(house);
  let id = "";
  const passedIn: PassedIn = new Map();
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

/** A verdict on each cell, from so many houses at a time. */
export async function judgeAll(
  open: OpenSite,
  all: readonly Cell[],
  passedIn: PassedIn,
  houses: number,
): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  let left: readonly Cell[] = all;
  for (let round = 1; round <= TRIES && left.length > 0; round++) {
    const judged: Verdict[] = [];
    const cells = [...left];
    await Promise.all(Array.from({ length: houses }, async () => await work(open, cells, judged)));
    const unreached = judged.filter(({ verdict }) => verdict === "unreached");
    verdicts.push(...(round === TRIES ? judged : judged.filter((each) => !unreached.includes(each))));
    left = unreached.map(({ point, victim, act }) => {
      const possible = passedIn.get(point) as Act[];
      return { point, victim, act: possible[(possible.indexOf(act) + 1) % possible.length] as Act };
    });
  }
  return verdicts;
}

/** Takes cells until none is left. A house that was broken is left for a new one. */
async function work(open: OpenSite, cells: Cell[], verdicts: Verdict[]): Promise<void> {
  while (cells.length > 0) {
    await using site = await open();
    for (let isWhole = true; isWhole && cells.length > 0; ) {
      const [lap = {}] = planLaps(cells);
      for (const cell of Object.values(lap)) cells.splice(cells.indexOf(cell), 1);
      const done = new Set<Cell>();
      isWhole = await live(site, lap, (verdict) => {
        for (const cell of Object.values(lap)) if (cell.act === verdict.act) done.add(cell);
        verdicts.push(verdict);
        if (verdict.verdict === "broken") show(site, verdict);
      });
      cells.push(...Object.values(lap).filter((cell) => !done.has(cell)));
    }
  }
}

function show({ house }: Site, { point, victim, act, found }: Verdict): void {
  console.log(`broken: ${victim} killed at ${point} in ${act}: ${found.join("; ")}`);
  if (evidence === undefined) return;
  const folder = join(evidence, `${point}-${victim}-${act}`);
  mkdirSync(folder, { recursive: true });
  for (const name of ["logs", "control-plane.db", "control-plane.db-wal", "delegate.db", "delegate.db-wal"])
    if (existsSync(join(house.data, name))) cpSync(join(house.data, name), join(folder, name), { recursive: true });
}
