// The crash table: at each failpoint of a Gitspace's life each process is killed, and nothing is lost or left over.
import { expect, test } from "vitest";
import { type Act, acts, type Cell, type Lap, planCells, planLaps } from "./crash-plan.ts";
import { live, settle, type Verdict } from "./crash-lap.ts";
import { failpointsOnTheWay } from "./failpoints.ts";
import { type House, openHouse } from "./house.ts";
import { person } from "./life.ts";

const HOUSES = 3;
/** A point may lie on a way that an action takes only now and then. */
const TRIES = 3;
const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 1_000));
/** Only failpoints with this in their name, for a closer look. */
const only = process.env["POINTS"] ?? "";
const settings = { GITSPACES_TASK_LOCK_MS: "2000", GITSPACES_SWEEP_MS: "2000", GITSPACES_DELETE_GRACE_MS: "0" };
const files = {
  "README.md": "# Crash table\n",
  ".devcontainer/devcontainer.json": JSON.stringify({
    name: "crash",
    postCreateCommand: "true",
    postStartCommand: "true",
  }),
};

test("I1 I2 I3 I4 I5 I6 I8 E1: whoever is killed at whatever point, nothing is lost and nothing leaks", async () => {
  await using opened = new AsyncDisposableStack();
  const houses: { house: House; url: string }[] = [];
  for (let number = 0; number < HOUSES; number++) {
    const house = opened.use(await openHouse({ env: settings }));
    houses.push({ house, url: house.repository("crash", files) });
  }
  const [first] = houses as [(typeof houses)[number]];
  const passedIn = await trace(first.house, first.url);
  const missing = failpointsOnTheWay.filter((point) => !passedIn.has(point));
  const chosen = new Map([...passedIn].filter(([point]) => failpointsOnTheWay.includes(point) && point.includes(only)));
  console.log(
    `${chosen.size} failpoints of ${failpointsOnTheWay.length}, seed ${seed}. Not passed: ${missing.join(", ") || "none"}`,
  );

  const verdicts: Verdict[] = [];
  let left: Cell[] = planCells(chosen, seed);
  for (let round = 0; round < TRIES && left.length > 0; round++) {
    const laps = planLaps(left);
    const found = (await Promise.all(houses.map(async ({ house, url }) => await work(house, url, laps)))).flat();
    left = found.flatMap(({ point, victim, verdict }) =>
      verdict === "unreached"
        ? planCells(new Map([[point, passedIn.get(point) as Act[]]]), seed + round + 1).filter(
            (cell) => cell.victim === victim,
          )
        : [],
    );
    verdicts.push(...found.filter(({ verdict }) => verdict !== "unreached" || round === TRIES - 1));
  }
  print(verdicts);
  expect(verdicts.filter(({ verdict }) => verdict === "broken")).toEqual([]);
  expect(verdicts.filter(({ verdict }) => verdict === "unreached")).toEqual([]);
  if (only === "") expect(missing).toEqual([]);
}, 900_000);

/** Which actions pass which failpoint, learnt from one life without a fault. */
async function trace(house: House, url: string): Promise<Map<string, Act[]>> {
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

async function work(house: House, url: string, laps: Lap[]): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  for (let lap = laps.shift(); lap !== undefined; lap = laps.shift()) {
    const lived = await live(house, url, lap);
    verdicts.push(...lived);
    for (const { verdict, point, victim, act, found } of lived)
      if (verdict === "broken") console.log(`broken: ${victim} at ${point} in ${act}: ${found.join("; ")}`);
  }
  return verdicts;
}

function print(verdicts: readonly Verdict[]): void {
  const times = verdicts.map(({ settledMs }) => settledMs).sort((one, other) => one - other);
  const at = (share: number) => ((times[Math.ceil(times.length * share) - 1] ?? 0) / 1_000).toFixed(1);
  const rows = verdicts
    .toSorted((one, other) => one.point.localeCompare(other.point) || one.victim.localeCompare(other.victim))
    .map(({ point, victim, act, verdict, outcome, settledMs }) =>
      [
        point.padEnd(36),
        victim.padEnd(14),
        act.padEnd(8),
        verdict.padEnd(9),
        `${(settledMs / 1_000).toFixed(1)} s`.padStart(7),
        ` ${outcome.slice(0, 60)}`,
      ].join(" "),
    );
  console.log(
    ["failpoint                            process        action   verdict   settled outcome", ...rows].join("\n"),
  );
  const count = (wanted: Verdict["verdict"]) => verdicts.filter(({ verdict }) => verdict === wanted).length;
  const points = new Set(verdicts.map(({ point }) => point)).size;
  console.log(
    `${points} failpoints x 6 processes = ${verdicts.length} crash points: ${count("held")} held, ${count("broken")} broken, ` +
      `${count("unreached")} not reached. Settled: median ${at(0.5)} s, p99 ${at(0.99)} s.`,
  );
}
