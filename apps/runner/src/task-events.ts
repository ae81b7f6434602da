// The events of a task, kept together as the job's progress, so that a delegate that was away misses none.
import { type EventKind, RunnerProgress, type TaskEvent } from "@gitspaces/contracts";
import type { Clock, Logger } from "@gitspaces/daemon";

export type Emit = (kind: EventKind, message: string, fields?: Record<string, unknown>) => void;

type Options = {
  task: { id: string; gitspaceId: string };
  /** The job's progress so far: a task delivered again goes on counting. */
  before: unknown;
  write: (progress: RunnerProgress) => Promise<void>;
  clock: Clock;
  log: Logger;
};

/** Starts collecting. `emit` does not wait; `flushed` resolves once everything emitted is written, in order. */
export function taskEvents({ task, before, write, clock, log }: Options): { emit: Emit; flushed: () => Promise<void> } {
  const known = RunnerProgress.safeParse(before);
  const events: TaskEvent[] = known.success ? [...known.data.events] : [];
  let writing = Promise.resolve();
  return {
    emit(kind, message, fields) {
      const event = {
        taskId: task.id,
        gitspaceId: task.gitspaceId,
        seq: events.length + 1,
        at: clock.now(),
        kind,
        message: message.slice(0, 8_192),
      };
      events.push(fields === undefined ? event : { ...event, fields });
      const progress = { events: [...events] };
      writing = writing
        .then(() => write(progress))
        .catch((err: unknown) => log.warn({ err, taskId: task.id }, "events could not be written"));
    },
    flushed: () => writing,
  };
}
