// How often a task was begun and not ended, kept with its job: a task that ends its runner each time is parked, and the others flow.
import { fail, type RunnerJob } from "@gitspaces/contracts";
import { failpoint } from "@gitspaces/daemon";
import type { Job } from "bullmq";

/** A runner that dies takes down whatever it works on; only a task that is there again and again is the cause. */
export const MOST_ATTEMPTS = 5;
/** From so many attempts on a task is worked on with no other such task beside it, so that it alone is blamed for the next one. */
const SUSPECT_AFTER = 2;

/** One begun attempt. Disposed when its work has ended; handed back when the runner lives and another is to go on. */
export type Attempt = AsyncDisposable & { handBack(): Promise<void> };

/** The attempts of this runner. */
export function attempts() {
  let line = Promise.resolve();

  /** Waits until the suspects before it have ended. Gives what lets the next one go on. */
  async function takeTurn(signal: AbortSignal): Promise<() => void> {
    const mine = Promise.withResolvers<void>();
    const before = line;
    line = before.then(() => mine.promise);
    const aborted = Promise.withResolvers<never>();
    const onAbort = () => aborted.reject(signal.reason as Error);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      signal.throwIfAborted();
      await Promise.race([before, aborted.promise]);
      return mine.resolve;
    } catch (error) {
      mine.resolve();
      throw error;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  async function record(job: Job, read: RunnerJob, begun: number): Promise<void> {
    await job.updateData({ ...read, begun } satisfies RunnerJob);
    failpoint("runner.afterBegunRecorded");
  }

  return {
    /**
     * Counts an attempt before anything is done. Survives the runner's death.
     * @throws {FailureError} `internal` when the task has had all its attempts; the reason of `signal` when it aborts.
     */
    async begin(job: Job, read: RunnerJob, signal: AbortSignal): Promise<Attempt> {
      const { begun = 0 } = read;
      if (begun >= MOST_ATTEMPTS) throw parked();
      const done = begun >= SUSPECT_AFTER ? await takeTurn(signal) : () => {};
      try {
        await record(job, read, begun + 1);
      } catch (error) {
        done();
        throw error;
      }
      return {
        handBack: async () => await record(job, read, begun),
        [Symbol.asyncDispose]: async () => done(),
      };
    },
  };
}

function parked(): Error {
  return fail(
    "internal",
    `This task was tried ${MOST_ATTEMPTS} times and ended the runner each time, so it is not tried again. The runner's log names the ` +
      "last thing that it did.",
    { retry: "never" },
  );
}
