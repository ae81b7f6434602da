// Tasks in progress: each is handed to its place, and answered once: by the place, by its deadline, or because it was cancelled.
import { type Answer, type Failure, failedAnswer, failure, type Task, type TaskType } from "@gitspaces/contracts";
import { backoff, type Clock, type Logger } from "@gitspaces/daemon";
import type { Courier } from "./courier.ts";
import type { HeldTask, Journal } from "./journal.ts";
import type { Outbox } from "./outbox.ts";
import type { Slots } from "./slots.ts";
import { answerBody, failedWireAnswer, type ReadTask, readTask } from "./task-reading.ts";
import type { Workplace } from "./workplace.ts";

/** How long after its terminal answer a task's real outcome is still awaited, to be kept beside it. */
const LATE_MS = 10 * 60_000;
const MOST_UNWANTED = 1_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export type Work = {
  /** Starts, or goes on with, a task of the inbox. `timings` are added to the place's answer. */
  begin(held: HeldTask, timings?: Record<string, number>): void;
  /** Answers a task in progress as cancelled; false when there is none of this id. */
  cancel(taskId: string): boolean;
  [Symbol.asyncDispose](): Promise<void>;
};
type Options = {
  journal: Journal;
  courier: Courier;
  outbox: Outbox;
  slots: Slots;
  placeOf: (type: TaskType) => Workplace;
  clock: Clock;
  log: Logger;
};

export function openWork({ journal, courier, outbox, slots, placeOf, clock, log }: Options): Work {
  const stop = new AbortController();
  const inProgress = new Map<string, { cut(reason: Failure): void }>();
  const running = new Set<Promise<void>>();
  /** Tasks that were cancelled before their acquire was answered. */
  const unwanted = new Set<string>();

  function track(work: Promise<void>): void {
    running.add(work);
    work
      .catch((err: unknown) => {
        if (!stop.signal.aborted)
          log.error({ err }, "work on a task ended without an answer, a restart goes on with it");
      })
      .finally(() => running.delete(work));
  }

  /** The place keeps more than it needs to, until it is tidied at the next start. */
  function unreached(taskId: string): (error: unknown) => void {
    return (error) => log.debug({ taskId, reason: (error as Error).message }, "a task's place was not reached");
  }

  /** Stores the answer and has it sent. A disk that refuses is asked again: an answer is never only in memory. */
  async function settle(held: HeldTask, answer: Answer): Promise<void> {
    const body = answerBody(held.wire, answer);
    const pause = backoff({ firstMs: 500, maxMs: 5_000, signal: stop.signal });
    for (;;) {
      try {
        if (!journal.answer(held.id, body)) journal.answerLate(held.id, JSON.stringify(answer));
        break;
      } catch (err) {
        log.error({ err, taskId: held.id }, "an answer could not be stored, trying again");
        await pause.wait();
      }
    }
    log.info({ taskId: held.id, type: held.wire.type, outcome: outcomeOf(answer) }, "task answered");
    slots.give(held.id);
    outbox.send(held.id);
  }

  async function run(held: HeldTask, task: Task, timings: Record<string, number>): Promise<void> {
    const place = placeOf(task.type);
    const late = new AbortController();
    const signal = AbortSignal.any([stop.signal, late.signal]);
    await using ends = new AsyncDisposableStack();

    const cut = (reason: Failure) => {
      inProgress.delete(task.id);
      track(settle(held, failedAnswer(task, reason)));
      const timer = setTimeout(() => late.abort(), LATE_MS);
      ends.defer(() => clearTimeout(timer));
      place.withdraw(task.id).then((unbegun) => unbegun && late.abort(), unreached(task.id));
    };
    inProgress.set(task.id, { cut });
    ends.defer(() => void inProgress.delete(task.id));
    ends.use(atTime(task.deadline, clock, () => inProgress.has(task.id) && cut(tooLate(task))));

    const assignment = {
      task,
      raw: held.wire.data,
      lastEvent: () => journal.lastEvent(task.id),
      onEvents: (events: Parameters<Courier["add"]>[1]) => courier.add(task.id, events),
    };
    let answer: Answer;
    try {
      answer = await place.follow(assignment, signal);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    inProgress.delete(task.id);
    await settle(held, { ...answer, timings: { ...answer.timings, ...timings, delegateAnsweredAt: monotonicMs() } });
    place.release(task.id).catch(unreached(task.id));
  }

  return {
    begin(held, timings = {}) {
      log.info({ taskId: held.id, type: held.wire.type }, "task in work");
      const reading: ReadTask = unwanted.delete(held.id) ? { failure: cancelled() } : readTask(held.wire);
      if ("task" in reading) track(run(held, reading.task, timings));
      else track(settle(held, failedWireAnswer(held.wire, reading.failure)));
    },
    cancel(taskId) {
      const task = inProgress.get(taskId);
      if (task === undefined && unwanted.size < MOST_UNWANTED) unwanted.add(taskId);
      task?.cut(cancelled());
      return task !== undefined;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.allSettled(running);
    },
  };
}

/** Milliseconds of the machine's monotonic clock, the same for all its processes. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}

function outcomeOf(answer: Answer): string {
  return answer.outcome === "ok" ? "ok" : answer.failure.code;
}

function cancelled(): Failure {
  return failure("cancelled", "The task was cancelled before it was done.");
}

function tooLate(task: Task): Failure {
  const at = new Date(task.deadline).toISOString();
  return failure("timeout", `The task ${task.type} was not done by its deadline, ${at}.`);
}

/** Calls `then` at `at` (milliseconds since the epoch), however far away that is. */
function atTime(at: number, clock: Clock, then: () => void): Disposable {
  let timer: NodeJS.Timeout | undefined;
  const arm = () => {
    const leftMs = at - clock.now();
    timer = setTimeout(() => (at > clock.now() ? arm() : then()), Math.min(Math.max(0, leftMs), LONGEST_TIMER_MS));
  };
  arm();
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}
