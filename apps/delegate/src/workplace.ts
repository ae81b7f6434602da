// What the delegate needs of the places where tasks are done: the runner's queue and the gateway's way to agents.
import type { Answer, Task, TaskEvent } from "@gitspaces/contracts";

export type Assignment<T extends Task = Task> = {
  task: T;
  /** The task exactly as it came; its signature covers these values. */
  raw: unknown;
  /** The highest event that is already stored. */
  lastEvent(): number;
  /** Takes events in order; those it has already are no harm. */
  onEvents(events: readonly TaskEvent[]): void;
};

/** Every method is safe to repeat. */
export type Workplace<T extends Task = Task> = {
  /** Has the task done, or goes on with it, and gives its answer. Rejects only when `signal` aborts. */
  follow(assignment: Assignment<T>, signal: AbortSignal): Promise<Answer>;
  /** Takes a task back that is no longer wanted; true when nobody had begun it, so that no answer will come. */
  withdraw(taskId: string): Promise<boolean>;
  /** The answer is stored, and what the place kept of the task may go. */
  release(taskId: string): Promise<void>;
};
