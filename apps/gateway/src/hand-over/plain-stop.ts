// A plain stop: said first, so that a balancer looks elsewhere; then nobody new, requests to their end, and a goodbye to the rest.
import { setTimeout as sleep } from "node:timers/promises";
import type { LiveConnections } from "../live-connections.ts";
import type { Doors } from "./doors.ts";
import type { EventStreams } from "./event-streams.ts";
import { GOING_AWAY, LAST_WORDS_MS } from "./going-away.ts";

const LOOK_MS = 20;

type Stopping = {
  doors: Doors;
  live: LiveConnections;
  eventStreams: EventStreams;
  /** From now on `/readyz` says 503. */
  setUnready: () => void;
  unreadyMs: number;
  graceMs: number;
};

/** Resolves when everybody has heard of it, after `unreadyMs`, `graceMs` and the last words at most. */
export async function stopPlainly(stopping: Stopping): Promise<void> {
  const { doors, setUnready, unreadyMs } = stopping;
  setUnready();
  if (!doors.left.aborted) await sleep(unreadyMs);
  doors.leave();
  await endPolitely(stopping);
}

/** Lets requests end for their grace, then says goodbye to what is still open. */
export async function endPolitely({
  live,
  eventStreams,
  graceMs,
}: Pick<Stopping, "live" | "eventStreams" | "graceMs">): Promise<void> {
  // A stream of events has no end of its own, so nobody waits for one.
  await becomes(() => live.count("http") <= eventStreams.size, graceMs);
  await eventStreams.endAll();
  live.endAll(GOING_AWAY);
  await becomes(() => live.size === 0, LAST_WORDS_MS);
}

async function becomes(isSo: () => boolean, withinMs: number): Promise<void> {
  for (const until = performance.now() + withinMs; !isSo() && performance.now() < until; ) await sleep(LOOK_MS);
}
