// What the queue delivers, read: whose task it is and how long it may take.
import { type Answer, failedAnswer, fail, parse, RunnerJob, TaskHead, toFailure } from "@gitspaces/contracts";
import { type Job, UnrecoverableError } from "bullmq";

const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** A job that is no task is answered as such when it at least says whose it is. */
export function readTask(job: Job<unknown, Answer>): RunnerJob | { answer: Answer } {
  try {
    return parse(RunnerJob, job.data, "task");
  } catch (error) {
    const head = TaskHead.safeParse((job.data as { task?: unknown } | null)?.task);
    if (!head.success) throw new UnrecoverableError((error as Error).message);
    return { answer: failedAnswer(head.data, toFailure(error)) };
  }
}

/** Aborts with `timeout` when the time (milliseconds) is over. */
export function deadlineSignal(leftMs: number): Disposable & { signal: AbortSignal } {
  const controller = new AbortController();
  const expire = () => controller.abort(fail("timeout", "The task was not done before its deadline."));
  if (leftMs <= 0) expire();
  const timer = leftMs > 0 ? setTimeout(expire, Math.min(leftMs, LONGEST_TIMER_MS)) : undefined;
  return { signal: controller.signal, [Symbol.dispose]: () => clearTimeout(timer) };
}
