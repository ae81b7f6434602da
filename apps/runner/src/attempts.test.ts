import { FailureError, type RunnerJob } from "@gitspaces/contracts";
import type { Job } from "bullmq";
import { expect, test } from "vitest";
import { attempts, MOST_ATTEMPTS } from "./attempts.ts";
import { stopTask } from "./testing/runner-bench.ts";

/** A job as far as attempts are concerned: it keeps its data. */
function jobOf(begun: number) {
  const job = { data: { task: stopTask("hello-k3v9x2", 1), begun } as RunnerJob };
  const updateData = async (data: RunnerJob) => void (job.data = data);
  return Object.assign(job, { updateData }) as unknown as Job<RunnerJob>;
}
const never = new AbortController().signal;

test("an attempt is counted before the work begins, and taken back when the task is handed back", async () => {
  const job = jobOf(0);
  await using attempt = await attempts().begin(job, job.data, never);
  expect(job.data.begun).toBe(1);
  await attempt.handBack();
  expect(job.data.begun).toBe(0);
});

test("I8 E18: a task with all its attempts behind it is refused, and says how often it was tried", async () => {
  const job = jobOf(MOST_ATTEMPTS);
  const refusal = await attempts()
    .begin(job, job.data, never)
    .catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(FailureError);
  expect((refusal as FailureError).failure).toMatchObject({ code: "internal", retry: "never" });
  expect((refusal as FailureError).message).toContain("tried 5 times");
  expect(job.data.begun).toBe(MOST_ATTEMPTS);
});

test("E18: suspects are worked on one after the other, and hold up nobody else", async () => {
  const runner = attempts();
  const [first, second, third, fresh] = [jobOf(2), jobOf(3), jobOf(2), jobOf(1)];
  const working = await runner.begin(first, first.data, never);
  const waiting = runner.begin(second, second.data, never);
  const impatient = new AbortController();
  const leaving = runner.begin(third, third.data, impatient.signal).catch(() => "left");
  await using other = await runner.begin(fresh, fresh.data, never);
  expect([first, second, third, fresh].map((job) => job.data.begun)).toEqual([3, 3, 2, 2]);
  impatient.abort(new Error("the runner is stopping"));
  expect(await leaving).toBe("left");
  await working[Symbol.asyncDispose]();
  await using next = await waiting;
  expect(second.data.begun).toBe(4);
  expect([other, next]).toHaveLength(2);
});
