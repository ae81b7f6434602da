// The ids of jobs, without the jobs: of fifty thousand that wait the ids take a few megabytes, the jobs a hundred.
import type { JobType, Queue } from "bullmq";

const PAGE = 1_000;

/** Ids of the jobs in these states. One that changes its state meanwhile may be left out or come twice. */
export async function jobIds(queue: Pick<Queue, "getRanges">, states: readonly JobType[]): Promise<Set<string>> {
  const found = new Set<string>();
  for (const state of states) {
    for (let from = 0; ; from += PAGE) {
      const ids = await queue.getRanges([state], from, from + PAGE - 1);
      for (const id of ids) found.add(id);
      if (ids.length < PAGE) break;
    }
  }
  return found;
}
