// The work of bringing a Gitspace back without a task: the last start once more, told to the log instead of a timeline.
import { randomUUID } from "node:crypto";
import type { GitspaceTask, TaskEvent } from "@gitspaces/contracts";
import { type Logger, systemClock } from "@gitspaces/daemon";
import { Work } from "../work.ts";

export type StartTask = Extract<GitspaceTask, { type: "gitspace.start" }>;

/** Work before anyone came, told to the log as it goes. It ends when `signal` aborts. */
export function workForLog(signal: AbortSignal, log: Logger): Work {
  const base = {
    v: 1,
    id: randomUUID(),
    gitspaceId: "none-000000",
    generation: 0,
    deadline: 1,
    signature: "",
  } as const;
  return workOf({ ...base, type: "gitspace.status", data: {} }, "a repository is prepared", { log, signal });
}

/** Work whose events go to the log; lines of output only where somebody debugs. It ends when `signal` aborts. */
export function workOfReturn(task: StartTask, log: Logger, signal: AbortSignal): Work {
  return workOf(task, "the dev container comes back", { log, signal });
}

function workOf(task: GitspaceTask, what: string, { log, signal }: { log: Logger; signal: AbortSignal }): Work {
  const tell = ({ kind, message }: TaskEvent) => {
    if (kind === "log") log.debug({ line: message }, `output while ${what}`);
    else log.info({ kind, message }, what);
  };
  const book = { lastSeq: () => 0, append: (_: string, events: readonly TaskEvent[]) => events.forEach(tell) };
  const work = new Work({ task, receivedAt: 0 }, book, systemClock);
  if (signal.aborted) work.abort(signal.reason);
  else signal.addEventListener("abort", () => work.abort(signal.reason), { once: true });
  return work;
}
