// What one client, one person and one Gitspace may have of the gateway at the same time, so that none of them takes it from the others.
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { clientOf } from "./client-of.ts";
import type { LimitName, LimitsConfig } from "./config.ts";
import { limitHit } from "./limit-hit.ts";
import { Pace } from "./pace.ts";
import { Places } from "./places.ts";
import { Turns } from "./turns.ts";

/** How long a request that is too fast waits for its turn, at most. */
const LONGEST_WAIT_MS = 2_000;
/** Whoever is told to slow down hears it this much later: a flood of requests is answered at the pace of its connections. */
const REFUSED_AFTER_MS = 1_000;

export type Visitor = {
  request: Pick<IncomingMessage, "socket">;
  isUpgrade: boolean;
  clientAddress: string;
  user: string | undefined;
  gitspaceId: string | undefined;
};
type Measure = {
  key: (visitor: Visitor) => string | undefined;
  places: Places;
  pace: Pace;
  visits: LimitName;
  requests: LimitName;
};
type Upgrade = { socket: Pick<Socket, "bytesWritten">; written: number };

export class Visitors {
  readonly #measures: Measure[];
  readonly #upgrades = new Map<string, Set<Upgrade>>();
  readonly #mostPending: number;
  readonly #turns = new Turns();
  /** Connections with a refusal under way. */
  readonly #refused = new WeakSet<Socket>();

  constructor(limits: LimitsConfig) {
    this.#mostPending = limits.limitUpgradesPendingPerGitspace;
    const measure = (key: Measure["key"], visits: LimitName, requests: LimitName): Measure => ({
      key,
      places: new Places(limits[visits]),
      pace: new Pace(limits[requests], LONGEST_WAIT_MS),
      visits,
      requests,
    });
    this.#measures = [
      measure(
        ({ clientAddress }) => clientOf(clientAddress),
        "limitVisitsPerAddress",
        "limitRequestsPerSecondPerAddress",
      ),
      measure(({ user }) => user, "limitVisitsPerUser", "limitRequestsPerSecondPerUser"),
      measure(({ gitspaceId }) => gitspaceId, "limitVisitsPerGitspace", "limitRequestsPerSecondPerGitspace"),
    ];
  }

  /**
   * Lets a visitor in: at once, or after a wait when they are too fast. Disposal is their leaving.
   * @throws {FailureError} `quota_exceeded` that names the limit, after a wait.
   */
  enter(visitor: Visitor): Disposable | Promise<Disposable> {
    const stay = new Stay();
    const met = this.#take(visitor, stay);
    if (typeof met === "string") {
      stay[Symbol.dispose]();
      return this.#refuse(visitor, met);
    }
    if (met > 0) return this.#enterLater(visitor, stay, met);
    const turn = this.#turns.next(visitor.gitspaceId ?? "", performance.now());
    return turn === undefined ? stay : turn.then(() => stay);
  }

  async #enterLater(visitor: Visitor, stay: Stay, waitMs: number): Promise<Disposable> {
    await waitFor(visitor, waitMs);
    await this.#turns.next(visitor.gitspaceId ?? "", performance.now());
    return stay;
  }

  async #refuse(visitor: Visitor, limit: LimitName): Promise<never> {
    await this.#punish(visitor);
    throw limitHit(limit);
  }

  /** The limit that the visitor meets, or for how many milliseconds they wait. */
  #take(visitor: Visitor, stay: Stay): LimitName | number {
    for (const { key, places, visits } of this.#measures) {
      const who = key(visitor);
      if (who === undefined) continue;
      if (!places.take(who)) return visits;
      stay.hold(places, who);
    }
    if (visitor.isUpgrade && !this.#takeUpgrade(visitor, stay)) return "limitUpgradesPendingPerGitspace";
    const now = performance.now();
    let longest = 0;
    for (const { key, pace, requests } of this.#measures) {
      const who = key(visitor);
      const waitMs = who === undefined ? 0 : pace.next(who, now);
      if (waitMs === undefined) return requests;
      longest = Math.max(longest, waitMs);
    }
    return longest;
  }

  #takeUpgrade({ request: { socket }, gitspaceId = "" }: Visitor, stay: Stay): boolean {
    if (this.#mostPending === 0) return true;
    const upgrades = this.#upgrades.get(gitspaceId) ?? new Set();
    // Counted only when they could be too many: an upgrade that was answered has written something.
    const arePerhapsTooMany = upgrades.size >= this.#mostPending;
    if (arePerhapsTooMany && [...upgrades].filter(isPending).length >= this.#mostPending) return false;
    const upgrade = { socket, written: socket.bytesWritten };
    this.#upgrades.set(gitspaceId, upgrades.add(upgrade));
    stay.onLeave = () => {
      upgrades.delete(upgrade);
      if (upgrades.size === 0) this.#upgrades.delete(gitspaceId);
    };
    return true;
  }

  /** One refusal at a time: who sends the next before it has come is cut off. */
  async #punish(visitor: Visitor): Promise<void> {
    const { socket } = visitor.request;
    if (this.#refused.has(socket)) socket.destroy();
    this.#refused.add(socket);
    await waitFor(visitor, REFUSED_AFTER_MS);
    this.#refused.delete(socket);
  }
}

/** The places of one visitor; there is one for every request, so it is kept small. */
class Stay implements Disposable {
  readonly #held: { places: Places; who: string }[] = [];
  onLeave: (() => void) | undefined;

  hold(places: Places, who: string): void {
    this.#held.push({ places, who });
  }

  [Symbol.dispose](): void {
    for (const { places, who } of this.#held) places.leave(who);
    this.#held.length = 0;
    this.onLeave?.();
    this.onLeave = undefined;
  }
}

function isPending({ socket, written }: Upgrade): boolean {
  return socket.bytesWritten === written;
}

/** Waits, or until the client has left. */
async function waitFor({ request }: Visitor, ms: number): Promise<void> {
  const left = new AbortController();
  const leave = (): void => left.abort();
  if (request.socket.destroyed) return;
  request.socket.once("close", leave);
  await sleep(ms, undefined, { signal: left.signal }).catch(() => {});
  request.socket.off("close", leave);
}
