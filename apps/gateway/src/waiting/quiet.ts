// After a stop, editors that were connected by SSH come back by themselves, again and again; nothing tells them from a person. So
// SSH does not start a Gitspace that was stopped under it, until nobody has tried for a while.
import type { Clock } from "@gitspaces/daemon";

/** Longer than any editor pauses between two attempts. */
const QUIET_MS = 5 * 60_000;

export class Quiet {
  readonly #clock: Clock;
  readonly #until = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** It was stopped while somebody was connected. */
  begin(gitspaceId: string): void {
    this.#until.set(gitspaceId, this.#clock.now() + QUIET_MS);
  }

  /** It runs again: whoever comes is welcome. */
  end(gitspaceId: string): void {
    this.#until.delete(gitspaceId);
  }

  /** Whether an attempt may start it. One that may not is heard, and the quiet lasts on from it. */
  mayStart(gitspaceId: string): boolean {
    const until = this.#until.get(gitspaceId);
    if (until === undefined) return true;
    if (this.#clock.now() >= until) {
      this.end(gitspaceId);
      return true;
    }
    this.begin(gitspaceId);
    return false;
  }
}
