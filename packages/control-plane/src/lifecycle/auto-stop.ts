// Stops Gitspaces that nobody uses, where their owner said so. Use is what gateways report; while one is silent nobody can tell.
import { apply, type Collaborators } from "./act.ts";

/** A gateway says something every half minute. */
const SILENT_MS = 90_000;
/** One that was not heard for so long is gone for good, and its Gitspaces with it. */
const FORGOTTEN_MS = 24 * 3_600_000;
const MINUTE_MS = 60_000;

type Heard = { at: number };
type Idle = { id: string; auto_stop_minutes: number; last_used: number };

/** Which are to be stopped now: those idle for their minutes, if every gateway has told what it knows. `at`: its last report. */
export function dueForStop(idle: readonly Idle[], gateways: readonly Heard[], now: number): string[] {
  const known = gateways.filter(({ at }) => now - at < FORGOTTEN_MS);
  if (known.length === 0 || known.some(({ at }) => now - at > SILENT_MS)) return [];
  return idle
    .filter(({ auto_stop_minutes: minutes, last_used: used }) => now - used >= minutes * MINUTE_MS)
    .map(({ id }) => id);
}

/** When it will be stopped if nobody uses it; null when that is not foreseen. Milliseconds since the epoch. */
export function stopsAt(isRunning: boolean, minutes: number | null, lastUsed: number | null): number | null {
  return isRunning && minutes !== null && lastUsed !== null ? lastUsed + minutes * MINUTE_MS : null;
}

/** Stops what is due, one step for each. */
export function stopIdle(with_: Collaborators): void {
  const { store, clock } = with_;
  for (const id of dueForStop(store.gitspaces.withAutoStop(), store.gateways.list(), clock.now()))
    store.step("AutoStop", () => apply(with_, id, { on: "auto_stop" }));
}
