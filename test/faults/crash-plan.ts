// Which process is killed at which failpoint of which action: every failpoint meets every process. Pure.
import type { Victim } from "./house.ts";

/** The actions of one life of a Gitspace, in their order. `restart` starts one that has a home already. */
export const acts = ["start", "stop", "restart", "delete"] as const;
export type Act = (typeof acts)[number];
export const victims: readonly Victim[] = ["control-plane", "delegate", "runner", "gateway", "agent", "redis"];

export type Cell = { point: string; victim: Victim; act: Act };
export type Lap = Partial<Record<Act, Cell>>;

/** The process that passes a failpoint. */
export function ownerOf(point: string): Victim {
  return point.slice(0, point.indexOf(".")) as Victim;
}

/**
 * A cell for each failpoint and process. Of the actions that pass a failpoint its cells take turns, so that a point that several
 * actions pass is met in all of them. `turn` shifts the turns.
 */
export function planCells(passedIn: ReadonlyMap<string, readonly Act[]>, turn: number): Cell[] {
  return [...passedIn].flatMap(([point, possible], index) =>
    victims.map((victim, column) => {
      const act = possible[(index + column + turn) % possible.length] as Act;
      return { point, victim, act };
    }),
  );
}

/** Lives of Gitspaces that hold the cells, one fault to an action at most. */
export function planLaps(cells: readonly Cell[]): Lap[] {
  const queues = new Map(acts.map((act) => [act, cells.filter((cell) => cell.act === act)]));
  const laps: Lap[] = [];
  while ([...queues.values()].some((queue) => queue.length > 0)) {
    const lap: Lap = {};
    for (const [act, queue] of queues) {
      const cell = queue.shift();
      if (cell !== undefined) lap[act] = cell;
    }
    laps.push(lap);
  }
  return laps;
}

/**
 * The share of the cells that one run takes, 1 of `runs`: as many runs with turns in a row take each cell once. Each run meets
 * every failpoint and every process, as far as `runs` is not above six, in every action that passes many of them.
 */
export function shareOf(cells: readonly Cell[], runs: number, turn: number): Cell[] {
  return cells.filter((_, index) => {
    const column = index % victims.length;
    const point = Math.floor(index / victims.length);
    // Shifted by one every so many points: cells of one diagonal would all be in the same action.
    return (point + Math.floor(point / runs) + column + turn) % runs === 0;
  });
}
