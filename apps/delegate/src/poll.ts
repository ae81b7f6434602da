// Asking the control plane for work, without a pause while there is some or while it holds the request until there is.
import { setTimeout as sleep } from "node:timers/promises";
import { backoff, type Logger } from "@gitspaces/daemon";
import { type ControlPlane, refusedWith } from "./control-plane.ts";
import type { Intake, Outcome } from "./intake.ts";
import type { Registration } from "./registration.ts";
import type { Slots } from "./slots.ts";
import type { Work } from "./work.ts";

const WAIT_MS = 25_000;
/** The pace for a control plane that answers at once whether there is work or not. */
const PACE_MS = 3_000;
/** How long the next question waits for the acquires of the last: asked earlier, the same tasks would be offered again. */
const ACQUIRE_FIRST_MS = 250;
/** While every place is taken, cancellations are still asked for this often. */
const FULL_MS = 1_000;

type Options = {
  controlPlane: ControlPlane;
  registration: Registration;
  intake: Intake;
  work: Work;
  slots: Slots;
  waitMs?: number;
  log: Logger;
  signal: AbortSignal;
};

/** Polls until `signal` aborts. */
export async function pollForTasks(options: Options): Promise<void> {
  const { controlPlane, registration, intake, work, slots, waitMs = WAIT_MS, log, signal } = options;
  const trouble = backoff({ firstMs: 200, maxMs: 5_000, signal });
  let fruitless = 0;
  while (!signal.aborted) {
    const delegateId = await registration.registered(signal);
    const asked = performance.now();
    try {
      const answer = await controlPlane.taskEvents(delegateId, waitMs, signal);
      const elapsedMs = performance.now() - asked;
      trouble.reset();
      const events = answer.delegateTaskEvents ?? [];
      const cancelled = (answer.cancelledTaskIds ?? []).filter((id) => work.cancel(id)).length;
      const outcomes = await soon(intake.offer(events), events.length);
      fruitless = isFruitful(outcomes, cancelled) || events.length === 0 ? 0 : fruitless + 1;
      const pauseMs = pauseAfter({ outcomes, cancelled, elapsedMs, fruitless });
      if (pauseMs === 0) continue;
      await pauseFor(pauseMs, outcomes.includes("left") ? slots : undefined, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (refusedWith(error, 401, 404)) registration.forgotten(delegateId);
      else log.debug({ reason: (error as Error).message }, "asking for tasks failed");
      await trouble.wait();
    }
  }
}

/** Waits, with `slots` only until one is free. */
async function pauseFor(pauseMs: number, slots: Slots | undefined, signal: AbortSignal): Promise<void> {
  const over = new AbortController();
  const either = { signal: AbortSignal.any([signal, over.signal]) };
  const waits = [sleep(pauseMs, undefined, either), ...(slots === undefined ? [] : [slots.whenFree(either.signal)])];
  await Promise.race(waits).finally(() => over.abort());
}

async function soon(outcomes: Promise<Outcome[]>, events: number): Promise<Outcome[]> {
  if (events === 0) return await outcomes;
  const late = new AbortController();
  const known = sleep(ACQUIRE_FIRST_MS, [] as Outcome[], { signal: late.signal });
  known.catch(() => undefined);
  return await Promise.race([outcomes, known]).finally(() => late.abort());
}

type Round = { outcomes: readonly Outcome[]; cancelled: number; elapsedMs: number; fruitless: number };

function isFruitful(outcomes: readonly Outcome[], cancelled: number): boolean {
  return outcomes.includes("begun") || cancelled > 0;
}

/** Milliseconds until the next question. */
export function pauseAfter({ outcomes, cancelled, elapsedMs, fruitless }: Round): number {
  if (isFruitful(outcomes, cancelled)) return 0;
  if (outcomes.includes("left")) return FULL_MS;
  if (outcomes.length > 0) return Math.min(PACE_MS, 10 * 2 ** fruitless);
  return Math.max(0, PACE_MS - elapsedMs);
}
