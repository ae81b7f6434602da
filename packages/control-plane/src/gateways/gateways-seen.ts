// What gateways said of themselves since this process began. Kept in memory: they say it again within half a minute.
import type { Clock } from "@gitspaces/daemon";

type Seen = { heardAt: number; routes: number | null };

export class GatewaysSeen {
  readonly #clock: Clock;
  readonly #seen = new Map<string, Seen>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  heard(name: string, routes: number | undefined): void {
    this.#seen.set(name, { heardAt: this.#clock.now(), routes: routes ?? null });
  }

  get(name: string): Seen | undefined {
    return this.#seen.get(name);
  }
}
