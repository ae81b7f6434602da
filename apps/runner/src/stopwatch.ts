// Where the time of a task went: milliseconds by stage.
import type { Timings } from "@gitspaces/contracts";

export type Stopwatch = ReturnType<typeof stopwatch>;

/** Starts measuring; `timings` also has the `total` until then. A stage measured twice is summed. */
export function stopwatch() {
  const begunAt = performance.now();
  const stages: Timings = {};
  const add = (stage: string, ms: number) => void (stages[stage] = round((stages[stage] ?? 0) + ms));
  return {
    add,
    async measure<T>(stage: string, work: () => Promise<T>): Promise<T> {
      const from = performance.now();
      try {
        return await work();
      } finally {
        add(stage, performance.now() - from);
      }
    },
    timings: (): Timings => ({ ...stages, total: round(performance.now() - begunAt) }),
  };
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}
