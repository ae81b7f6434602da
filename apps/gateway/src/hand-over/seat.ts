// What a gateway's process gets from the one before it, and what a first process has in its place.
import { Doors } from "./doors.ts";

export type Seat = {
  doors: Doors;
  /** Resolves when this process may write files and tell health. */
  turn: Promise<void>;
  /** How long it waits for the control plane's word before it opens its doors; the kept documents serve when there is none. */
  becomesCurrentMs: number;
};

export function firstSeat(doors = new Doors()): Seat {
  return { doors, turn: Promise.resolve(), becomesCurrentMs: 0 };
}
