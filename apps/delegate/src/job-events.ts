// What happens to jobs on the runner's queue, read from the queue's own event stream. A hint to look, never the truth itself.
import { REDIS_PREFIX, RUNNER_QUEUE } from "@gitspaces/contracts";
import { backoff, type Logger } from "@gitspaces/daemon";
import type { Redis } from "ioredis";

const STREAM = `${REDIS_PREFIX}:${RUNNER_QUEUE}:events`;
/** Shorter than the reader's socket time limit, so that a connection that is dead without saying so is noticed. */
const BLOCK_MS = 5_000;

type Watching = {
  signal: AbortSignal;
  log: Logger;
  /** Events from here on are seen; what happened before has to be looked up. */
  onStart: () => void;
  onProgress: (jobId: string, progress: unknown) => void;
  onEnd: (jobId: string) => void;
};

/**
 * Reads the stream on a connection of its own until `signal` aborts. It goes on after the last event it saw, so that none falls
 * between two reads; after a trouble it starts at the newest and says so.
 */
export async function watchJobs(reader: Redis, watching: Watching): Promise<void> {
  const { signal, log } = watching;
  reader.on("error", (error: Error) => log.debug({ reason: error.message }, "redis, runner queue events"));
  // A read that waits for a lost connection is not settled by leaving, hence nobody waits for it then.
  const left = Promise.withResolvers<void>();
  const leave = () => {
    reader.disconnect();
    left.resolve();
  };
  signal.addEventListener("abort", leave, { once: true });
  await Promise.race([readForever(reader, watching), left.promise]);
}

async function readForever(reader: Redis, watching: Watching): Promise<void> {
  const { signal, log } = watching;
  const pause = backoff({ firstMs: 100, maxMs: 2_000, signal });
  while (!signal.aborted) {
    try {
      const [newest] = await reader.xrevrange(STREAM, "+", "-", "COUNT", 1);
      watching.onStart();
      for (let last = newest?.[0] ?? "0-0"; ; pause.reset()) last = await readOn(reader, last, watching);
    } catch (error) {
      if (signal.aborted) return;
      log.debug({ reason: (error as Error).message }, "reading job events failed");
      await pause.wait().catch(() => undefined);
    }
  }
}

/** Waits for events after `last`; gives the id of the newest that was read. */
async function readOn(reader: Redis, last: string, { onProgress, onEnd }: Watching): Promise<string> {
  const [stream] = (await reader.xread("COUNT", 100, "BLOCK", BLOCK_MS, "STREAMS", STREAM, last)) ?? [];
  let newest = last;
  for (const [id, fields] of stream?.[1] ?? []) {
    newest = id;
    const event = readEvent(fields);
    if (event.event === "progress") onProgress(event.jobId, event.progress);
    if (event.event === "completed" || event.event === "failed") onEnd(event.jobId);
  }
  return newest;
}

function readEvent(fields: readonly string[]): { event: string; jobId: string; progress: unknown } {
  const value = (name: string) => {
    const at = fields.findIndex((field, index) => index % 2 === 0 && field === name);
    return at === -1 ? "" : (fields[at + 1] ?? "");
  };
  const [event, data] = [value("event"), value("data")];
  return { event, jobId: value("jobId"), progress: event === "progress" && data !== "" ? JSON.parse(data) : undefined };
}
