// The queue between delegate and runner: BullMQ, one job per task, the job's id is the task's id.
import { z } from "zod";
import { TaskEvent } from "./event.ts";
import { VmTask } from "./task.ts";

export const RUNNER_QUEUE = "runner-tasks";

export const RunnerJob = z.strictObject({ task: VmTask });
export type RunnerJob = z.infer<typeof RunnerJob>;

/** A job's progress holds every event of the task so far, so that a delegate that was away misses none. */
export const RunnerProgress = z.strictObject({ events: z.array(TaskEvent) });
export type RunnerProgress = z.infer<typeof RunnerProgress>;
