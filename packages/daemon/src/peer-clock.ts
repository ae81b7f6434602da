// The time of another machine, as its answers tell it: this machine's clock may be off, and then deadlines of others are judged wrongly.
import { type Clock, systemClock } from "./clock.ts";
import type { Logger } from "./log.ts";

/** Less is how long an answer took and how coarse it tells its time, not a clock that is off. */
const OFF_MS = 5_000;

export type PeerClock = Clock & {
  /** Takes an answer's `Date` header, or milliseconds since the epoch. Anything else is left out. */
  readonly hear: (told: string | number | undefined) => void;
  /** How far the peer's clock is ahead of this machine's, milliseconds; 0 while they agree within 5 s. */
  aheadMs(): number;
};

/** The clock of `peer` (a name for people). Until something was heard, and while both agree, it is this machine's own. */
export function peerClock({ peer, log, own = systemClock }: { peer: string; log: Logger; own?: Clock }): PeerClock {
  let aheadMs = 0;
  return {
    hear(told) {
      const theirs = typeof told === "string" ? Date.parse(told) : told;
      if (theirs === undefined || !Number.isFinite(theirs)) return;
      const heardMs = theirs - own.now();
      const nextMs = Math.abs(heardMs) < OFF_MS ? 0 : heardMs;
      if (Math.abs(nextMs - aheadMs) < OFF_MS) return;
      aheadMs = nextMs;
      if (nextMs === 0) log.info({ peer }, "the clocks agree again");
      else
        log.warn({ peer, aheadMs }, "this machine's clock is off from its peer's, whose time is used; set both by NTP");
    },
    aheadMs: () => aheadMs,
    now: () => own.now() + aheadMs,
  };
}
