// The plan of the crash table by itself: nothing that should be killed is left out, nothing is judged under another's name.
import { expect, test } from "vitest";
import { type Act, acts, ownerOf, planCells, planLaps, shareOf, victims } from "./crash-plan.ts";
import { failpointsOnTheWay } from "./failpoints.ts";

/** As a trace gives it: each point in one action, in some, or in all. */
const passedIn = new Map<string, Act[]>(
  failpointsOnTheWay.map((point, index) => [point, acts.slice(0, 1 + (index % acts.length))]),
);

test("E1: every failpoint meets every process once, in an action that passes it", () => {
  const cells = planCells(passedIn, 7);
  const all = failpointsOnTheWay.flatMap((point) => victims.map((victim) => `${point} ${victim}`));
  expect(cells.map(({ point, victim }) => `${point} ${victim}`).toSorted()).toEqual(all.toSorted());
  expect(cells.filter(({ point, act }) => !passedIn.get(point)?.includes(act))).toEqual([]);
});

test("E1: a failpoint that several actions pass is met in each of them", () => {
  for (const seed of [0, 1, 999]) {
    const cells = planCells(passedIn, seed);
    for (const [point, possible] of passedIn)
      expect(new Set(cells.filter((cell) => cell.point === point).map(({ act }) => act))).toEqual(new Set(possible));
  }
});

test("E1: lives hold every kill exactly once, each in its own action", () => {
  const cells = planCells(passedIn, 3);
  const lived = planLaps(cells).flatMap((lap) =>
    acts.flatMap((act) => (lap[act] ? [{ in: act, cell: lap[act] }] : [])),
  );
  expect(lived.filter(({ in: act, cell }) => cell.act !== act)).toEqual([]);
  expect(lived).toHaveLength(cells.length);
  expect(new Set(lived.map(({ cell }) => cell))).toEqual(new Set(cells));
});

test("E1: every failpoint belongs to a process that can be killed, and has a name of its own", () => {
  expect(failpointsOnTheWay.filter((point) => !victims.includes(ownerOf(point)))).toEqual([]);
  expect(new Set(failpointsOnTheWay).size).toBe(failpointsOnTheWay.length);
});

test("E1: runs that share the table take every kill once between them, and each meets all failpoints and all processes", () => {
  const cells = planCells(passedIn, 3);
  for (const runs of [1, 2, 4, 6]) {
    const shares = Array.from({ length: runs }, (_, turn) => shareOf(cells, runs, turn + 5));
    expect(shares.flat()).toHaveLength(cells.length);
    expect(new Set(shares.flat())).toEqual(new Set(cells));
    for (const share of shares) {
      expect(new Set(share.map(({ point }) => point)).size).toBe(passedIn.size);
      expect(new Set(share.map(({ victim }) => victim)).size).toBe(victims.length);
    }
  }
});

test("E1: a run's share of points that two actions pass meets both of them", () => {
  const both = new Map<string, Act[]>(failpointsOnTheWay.map((point) => [point, ["start", "restart"]]));
  for (const turn of [0, 1, 2, 3]) {
    const share = shareOf(planCells(both, 0), 4, turn);
    expect(new Set(share.map(({ act }) => act))).toEqual(new Set(["start", "restart"]));
  }
});
