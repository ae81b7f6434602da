// Carries events to the control plane: at once when idle, in batches while a request is on its way, until acknowledged.
import type { TaskEvent } from "@gitspaces/contracts";
import { backoff, type Logger } from "@gitspaces/daemon";
import { type ControlPlane, Refusal, refusedWith } from "./control-plane.ts";
import type { Journal } from "./journal.ts";

const BATCH_EVENTS = 500;
const BATCH_CHARACTERS = 256 * 1024;
/** Answers that may be different later. */
const PASSING = [401, 403, 408, 425, 429];

export type Courier = {
  /** Stores new events of a task and sends them on. */
  add(taskId: string, events: readonly TaskEvent[]): void;
  /** Goes on with what was stored and not acknowledged before a restart. */
  resume(): void;
  /** Resolves when every event stored by now was acknowledged or at least tried, or after `limitMs`. */
  offered(taskId: string, limitMs: number): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};
type Options = { journal: Journal; controlPlane: ControlPlane; log: Logger };

export function openCourier({ journal, controlPlane, log }: Options): Courier {
  const stop = new AbortController();
  const rounds = new Map<string, { done: Promise<void>; waiting: (() => void)[] }>();

  function start(taskId: string): void {
    if (rounds.has(taskId) || stop.signal.aborted) return;
    const round = { done: Promise.resolve(), waiting: [] as (() => void)[] };
    rounds.set(taskId, round);
    const offered = () => {
      for (const resolve of round.waiting.splice(0)) resolve();
    };
    round.done = carry(taskId, offered)
      .catch((err: unknown) => {
        if (!stop.signal.aborted) log.error({ err, taskId }, "events are no longer forwarded");
      })
      .finally(offered);
  }

  async function carry(taskId: string, offered: () => void): Promise<void> {
    const pause = backoff({ firstMs: 200, maxMs: 5_000, signal: stop.signal });
    for (;;) {
      const batch = fitting(journal.pendingEvents(taskId, BATCH_EVENTS));
      const last = batch.at(-1);
      if (last === undefined) {
        rounds.delete(taskId);
        return;
      }
      try {
        await controlPlane.events(taskId, batch, stop.signal);
        journal.dropEvents(taskId, last.seq);
        pause.reset();
      } catch (error) {
        stop.signal.throwIfAborted();
        offered();
        if (isFinal(error)) return giveUp(taskId, error);
        await pause.wait();
      }
    }
  }

  function giveUp(taskId: string, error: unknown): void {
    rounds.delete(taskId);
    journal.refuseEvents(taskId);
    const reason = error instanceof Error ? error.message : String(error);
    if (refusedWith(error, 404, 410)) log.info({ taskId, reason }, "the control plane takes no events of this task");
    else log.warn({ taskId, reason }, "the control plane refused events of this task");
  }

  return {
    add(taskId, events) {
      if (journal.addEvents(taskId, events) > 0) start(taskId);
    },
    resume() {
      for (const taskId of journal.tasksWithEvents()) start(taskId);
    },
    async offered(taskId, limitMs) {
      const round = rounds.get(taskId);
      if (round === undefined) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      round.waiting.push(resolve);
      const timer = setTimeout(resolve, limitMs);
      await promise.finally(() => clearTimeout(timer));
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.all([...rounds.values()].map((round) => round.done));
    },
  };
}

/** As many events from the front as one request should carry; always at least the first. */
function fitting(events: TaskEvent[]): TaskEvent[] {
  let characters = 0;
  const end = events.findIndex((event, index) => {
    characters += event.message.length + JSON.stringify(event.fields ?? {}).length + 200;
    return index > 0 && characters > BATCH_CHARACTERS;
  });
  return end === -1 ? events : events.slice(0, end);
}

function isFinal(error: unknown): boolean {
  return error instanceof Refusal && error.status >= 400 && error.status < 500 && !PASSING.includes(error.status);
}
