// Taking tasks: acquire what is offered and has a place, write it to the inbox, begin. A task that was taken before is never begun twice.
import { isDeepStrictEqual } from "node:util";
import type { WireTask } from "@gitspaces/contracts";
import { backoff, type Clock, type Logger } from "@gitspaces/daemon";
import { z } from "zod";
import { type ControlPlane, Refusal, refusedWith } from "./control-plane.ts";
import type { Journal } from "./journal.ts";
import type { Outbox } from "./outbox.ts";
import type { Registration } from "./registration.ts";
import type { ReusedIds } from "./reused-ids.ts";
import type { Slots } from "./slots.ts";
import { deadlineOf } from "./task-reading.ts";
import { monotonicMs, type Work } from "./work.ts";

/** What became of an offer: begun, known before, gone to somebody else, or left where it is for want of a place. */
export type Outcome = "begun" | "known" | "lost" | "left";
export type Offer = { delegateTaskId: string; taskType: string };
export type Intake = {
  /** Takes what can start now; gives what became of each offer. */
  offer(offers: readonly Offer[]): Promise<Outcome[]>;
  /** Asks again for the tasks that were being acquired when the delegate last ended. */
  resume(): Promise<void>;
};
type Options = {
  journal: Journal;
  controlPlane: ControlPlane;
  registration: Registration;
  slots: Slots;
  work: Work;
  outbox: Outbox;
  reused: ReusedIds;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
};
/** Refusals that may be different later; every other one means that the task is not for us. */
const PASSING = [401, 403, 408, 425, 429];
/** For so long an answer to an acquire that can not be read is asked for again: it may have made us the holder. */
const UNREADABLE_MS = 60 * 60_000;

export function openIntake(options: Options): Intake {
  const { journal, controlPlane, registration, slots, work, outbox, reused, clock, log, signal } = options;
  const acquiring = new Set<string>();

  async function take(id: string, type: string): Promise<Outcome> {
    if (acquiring.has(id)) return "known";
    const known = journal.find(id);
    if (known?.wire === undefined && !slots.take(id)) return "left";
    acquiring.add(id);
    try {
      if (known?.wire !== undefined) return await again(id, known.wire);
      return await acquireFirst(id, type);
    } finally {
      acquiring.delete(id);
    }
  }

  async function acquireFirst(id: string, type: string): Promise<Outcome> {
    const offeredAt = monotonicMs();
    let taken = false;
    try {
      journal.intend(id, type, registration.id() ?? "");
      taken = await acquireAndBegin(id, offeredAt);
      if (!taken) journal.forget(id);
      return taken ? "begun" : "lost";
    } finally {
      if (!taken) slots.give(id);
    }
  }

  /** Until there is a clear yes or no: an acquire whose answer was lost may have made us the holder. */
  async function acquireAndBegin(id: string, delegateOfferedAt: number): Promise<boolean> {
    const pause = backoff({ firstMs: 50, maxMs: 2_000, signal });
    for (;;) {
      const holder = await registration.registered(signal);
      try {
        const wire = await controlPlane.acquire(holder, id, signal);
        if (wire === undefined) return false;
        if (wire.id !== id) throw new Refusal(422, `task ${wire.id} instead of ${id}`);
        const held = journal.accept(wire, holder, deadlineOf(wire, clock.now()));
        work.begin(held, { delegateOfferedAt, delegateAcquiredAt: monotonicMs() });
        return true;
      } catch (error) {
        signal.throwIfAborted();
        const isHopeless = isUnreadable(error) && monotonicMs() - delegateOfferedAt > UNREADABLE_MS;
        if (isNo(error) || isHopeless) {
          log.debug({ taskId: id, reason: (error as Error).message }, "the task is not ours");
          return false;
        }
        if (refusedWith(error, 401)) registration.forgotten(holder);
        log.warn({ taskId: id, reason: (error as Error).message }, "acquiring a task failed, trying again");
        await pause.wait();
      }
    }
  }

  /** A task we know is offered again: the control plane lost sight of its holder, or of its answer. */
  async function again(id: string, known: WireTask): Promise<Outcome> {
    const holder = await registration.registered(signal);
    let wire: WireTask | undefined;
    try {
      wire = await controlPlane.acquire(holder, id, signal);
    } catch (error) {
      log.debug({ taskId: id, reason: (error as Error).message }, "a task offered again could not be acquired");
    }
    if (wire === undefined) return "known";
    if (wire.id !== id || wire.type !== known.type || !isDeepStrictEqual(wire.data, known.data)) {
      reused.refuse(id, known);
      return "known";
    }
    journal.hold(id, holder);
    journal.reopen(id);
    outbox.send(id);
    return "known";
  }

  return {
    async offer(offers) {
      const offered = new Map(offers.map(({ delegateTaskId, taskType }) => [delegateTaskId, taskType]));
      const settled = await Promise.allSettled([...offered].map(([id, type]) => take(id, type)));
      return settled.map((each) => {
        if (each.status === "fulfilled") return each.value;
        if (!signal.aborted) log.error({ err: each.reason as unknown }, "a task could not be taken");
        return "left";
      });
    },
    async resume() {
      await Promise.allSettled(
        journal.acquiring().map(({ id, type }) => {
          slots.keep(id);
          return take(id, type);
        }),
      );
    },
  };
}

/** Cut short or garbled on its way: it says neither yes nor no. */
function isUnreadable(error: unknown): boolean {
  return error instanceof SyntaxError || error instanceof z.ZodError;
}

function isNo(error: unknown): boolean {
  return error instanceof Refusal && error.status < 500 && !PASSING.includes(error.status);
}
