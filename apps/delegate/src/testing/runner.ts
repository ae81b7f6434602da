// A runner for tests: a real BullMQ worker that records what it did and answers as it is told.
import {
  type Answer,
  okAnswer,
  REDIS_PREFIX,
  RUNNER_QUEUE,
  RunnerJob,
  type TaskEvent,
  type VmTask,
} from "@gitspaces/contracts";
import { type Job, Worker } from "bullmq";
import { Redis } from "ioredis";

export type Handler = (task: VmTask, job: Job) => Promise<unknown>;
export type TestRunner = { executed: string[] } & AsyncDisposable;

/** Works on the runner's queue; `executed` lists the task ids in the order they were begun. */
export function startRunner(redisUrl: string, handle: Handler = async (task) => vmGone(task)): TestRunner {
  const connection = new Redis(redisUrl, { maxRetriesPerRequest: null });
  const executed: string[] = [];
  const worker = new Worker(
    RUNNER_QUEUE,
    async (job) => {
      const { task } = RunnerJob.parse(job.data);
      executed.push(task.id);
      return await handle(task, job);
    },
    { connection, prefix: REDIS_PREFIX, concurrency: 32 },
  );
  worker.on("error", () => undefined);
  return {
    executed,
    async [Symbol.asyncDispose]() {
      await worker.close(true);
      connection.disconnect();
    },
  };
}

/** The answer of a `vm.status` that found no VM. */
export function vmGone(task: VmTask): Answer {
  return okAnswer({ ...task, type: "vm.status" }, { vm: null }, { work: 1 });
}

export function eventOf(task: { id: string; gitspaceId: string }, seq: number): TaskEvent {
  return { taskId: task.id, gitspaceId: task.gitspaceId, seq, at: 1_000 + seq, kind: "log", message: `line ${seq}` };
}
