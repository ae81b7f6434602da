// The events of a task as lines of JSON, live, until its answer; a slow reader is waited for, a gone one is let go.
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { TaskStreamLine } from "@gitspaces/contracts";
import type { Journal } from "./journal.ts";

/** How often a quiet stream shows that it is alive. */
export const PING_MS = 10_000;

/** Writes a task's events after `after`, then its answer, then ends. Resolves when the reader has it all or is gone. */
export async function streamTask(
  response: ServerResponse,
  journal: Journal,
  taskId: string,
  after: number,
  pingMs = PING_MS,
): Promise<void> {
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  response.writeHead(200, { "content-type": "application/x-ndjson", "cache-control": "no-store" });
  response.flushHeaders();
  try {
    for (let seq = after; !gone.signal.aborted; ) {
      // Read in this order: an answer seen here has all its events in the journal already.
      const answer = journal.find(taskId)?.answer;
      const events = journal.events(taskId, seq);
      for (const event of events) {
        seq = event.seq;
        await write(response, { event }, gone.signal);
      }
      if (events.length > 0) continue;
      if (answer !== undefined) {
        await write(response, { answer }, gone.signal);
        response.end();
        return;
      }
      if (await quiet(journal, taskId, pingMs, gone.signal)) await write(response, { ping: Date.now() }, gone.signal);
    }
  } catch (error) {
    if (!gone.signal.aborted) throw error;
  }
}

async function write(response: ServerResponse, line: TaskStreamLine, signal: AbortSignal): Promise<void> {
  if (!response.write(`${JSON.stringify(line)}\n`)) await once(response, "drain", { signal });
}

/** Waits for news of a task; true when none came for `pingMs`. */
async function quiet(journal: Journal, taskId: string, pingMs: number, gone: AbortSignal): Promise<boolean> {
  const waited = AbortSignal.timeout(pingMs);
  try {
    await once(journal.changed, taskId, { signal: AbortSignal.any([gone, waited]) });
    return false;
  } catch (error) {
    if (gone.aborted || !waited.aborted) throw error;
    return true;
  }
}
