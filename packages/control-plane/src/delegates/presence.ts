// Which delegates are there, and what each can take now. Kept in memory; after a restart everyone has a full grace to speak up.
import type { Clock } from "@gitspaces/daemon";

/** A task goes back on offer when its holder was silent for so long. */
export const LOST_AFTER_MS = 45_000;

type Seen = { at: number; freeSlots: number | undefined; heldThen: number };

export class Presence {
  readonly #clock: Clock;
  readonly #began: number;
  readonly #seen = new Map<string, Seen>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#began = clock.now();
  }

  /** A register or heartbeat: `freeSlots` as reported while holding `held` tasks. */
  beat(id: string, freeSlots: number | undefined, held: number): void {
    this.#seen.set(id, { at: this.#clock.now(), freeSlots, heldThen: held });
  }

  /** Any other word from a delegate. */
  heard(id: string): void {
    const seen = this.#seen.get(id);
    if (seen === undefined) this.beat(id, undefined, 0);
    else seen.at = this.#clock.now();
  }

  /** When a delegate was last heard of, if it was since this process began. */
  seen(id: string): { at: number } | undefined {
    return this.#seen.get(id);
  }

  /** When a delegate counts as lost if it stays silent, milliseconds since the epoch. */
  lapse(id: string): number {
    return (this.#seen.get(id)?.at ?? this.#began) + LOST_AFTER_MS;
  }

  isLost(id: string): boolean {
    return this.#clock.now() >= this.lapse(id);
  }

  isHere(id: string): boolean {
    return this.#seen.has(id) && !this.isLost(id);
  }

  /** How many tasks a delegate that holds `held` can still start. */
  room(id: string, held: number): number {
    const seen = this.#seen.get(id);
    return seen?.freeSlots === undefined ? Number.POSITIVE_INFINITY : seen.freeSlots + seen.heldThen - held;
  }
}
