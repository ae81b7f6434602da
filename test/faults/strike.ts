// A kill at a failpoint while an action is done, and whether it truly struck somebody.
import { setTimeout as sleep } from "node:timers/promises";
import { isAlive } from "./apart.ts";
import { type Cell, ownerOf } from "./crash-plan.ts";
import { type House, until } from "./house.ts";

const REACH_MS = 3_000;

/** What a strike needs of a house. */
export type Struck = Pick<House, "arm" | "hasPassed" | "pids" | "signal" | "stopped">;

/**
 * Does an action while a process is killed at a failpoint. Gives a question: when did the process die of it? Nothing when the
 * failpoint was not passed, or nobody was there to be killed.
 */
export async function under(
  house: Struck,
  cell: Cell | undefined,
  doIt: () => Promise<void>,
): Promise<() => Promise<number | undefined>> {
  if (cell === undefined) {
    await doIt();
    return async () => undefined;
  }
  const { point, victim } = cell;
  const owner = ownerOf(point);
  const living = () => house.pids(victim).filter(isAlive);
  await until(`${victim} is there`, 10_000, () => living().length > 0);
  const before = living();
  house.arm(point, victim === owner ? "kill" : "stop");
  let isOver = false;
  const strike = async () => {
    // The agent of a VM that comes meanwhile may be the one who passes it.
    const seen = new Set(before);
    await until(`${point} is passed`, 60_000, () => {
      for (const pid of victim === owner ? living() : []) seen.add(pid);
      return isOver || house.hasPassed(point);
    });
    if (isOver) return undefined;
    let struck = [...seen];
    if (victim !== owner) {
      await house.stopped(owner);
      struck = living();
      house.signal(victim, "SIGKILL");
      house.signal(owner, "SIGCONT");
    }
    await until(`${victim} is dead`, 10_000, () => struck.some((pid) => !isAlive(pid)));
    return performance.now();
  };
  const struck = strike().catch(() => undefined);
  await doIt();
  return async () => {
    const at = await Promise.race([struck, sleep(REACH_MS, undefined)]);
    isOver = true;
    return at;
  };
}
