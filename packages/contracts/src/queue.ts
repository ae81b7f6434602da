// The queue between delegate and runner: BullMQ, one job per task, the job's id is the task's id.
import { z } from "zod";
import { TaskEvent } from "./event.ts";
import { VmTask } from "./task.ts";

export const RUNNER_QUEUE = "runner-tasks";

export const RunnerJob = z.strictObject({
  task: VmTask,
  /** How often a runner began the task and neither finished it nor handed it back. Runners count it. */
  begun: z.int().nonnegative().optional(),
  /** The task's deadline by Redis's clock, milliseconds since the epoch: what both sides of the queue can compare with. */
  deadlineByRedis: z.int().optional(),
});
export type RunnerJob = z.infer<typeof RunnerJob>;

/** A job's progress holds every event of the task so far, so that a delegate that was away misses none. */
export const RunnerProgress = z.strictObject({ events: z.array(TaskEvent) });
export type RunnerProgress = z.infer<typeof RunnerProgress>;
