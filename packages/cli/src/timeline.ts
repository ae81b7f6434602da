// What a Gitspace's events mean to the person who waits: what began, what is done and how long it took, what failed.
import type { GitspaceEvent } from "@gitspaces/contracts";
import { duration } from "./moment.ts";
import { plain, type Terminal } from "./terminal.ts";

export type TimelineEntry = {
  mark: "began" | "done" | "failed" | "fact" | "note";
  text: string;
  /** Since the action began. */
  elapsedMs: number;
  /** Since this phase began; absent for what has no beginning. */
  tookMs?: number;
};

export type Timeline = { read(event: GitspaceEvent): TimelineEntry | undefined };

/** Reads events in their order. Lines of output and events it has read before give nothing. */
export function startTimeline(): Timeline {
  const begun = new Map<string, { at: number; text: string }>();
  const reasons = new Set<string>();
  let actionAt: number | undefined;
  let lastId = 0;
  return {
    read(event) {
      if (event.id <= lastId || event.event === "log") return undefined;
      lastId = event.id;
      const { phase, mark } = readKind(event.event);
      const text = plain(event.message === "" ? event.event : event.message);
      if (mark === "began") begun.set(phase, { at: event.timestamp, text });
      if (actionAt === undefined || (mark === "began" && phase.startsWith("gitspace_action_"))) {
        actionAt = event.timestamp;
        reasons.clear();
      }
      const began = mark === "done" || mark === "failed" ? begun.get(phase) : undefined;
      const isKnown = mark === "failed" && reasons.has(text);
      if (mark === "failed") reasons.add(text);
      return {
        mark,
        // A reason is told once; the phases around the one that failed only say that they failed with it.
        text: isKnown && began !== undefined ? `${began.text} failed` : text,
        elapsedMs: Math.max(0, event.timestamp - actionAt),
        ...(began === undefined ? {} : { tookMs: Math.max(0, event.timestamp - began.at) }),
      };
    },
  };
}

/** `agent_clone_failed` → phase `agent_clone`, failed. The action `gitspace_action_start` ends in `_start` and is no phase's start. */
export function readKind(kind: string): { phase: string; mark: TimelineEntry["mark"] } {
  const [, action, actionEnd] =
    /^(gitspace_action_(?:start|stop|reset|delete|undelete))(?:_(completed|failed))?$/.exec(kind) ?? [];
  if (action !== undefined)
    return { phase: action, mark: actionEnd === undefined ? "began" : ends[actionEnd as "completed" | "failed"] };
  const [, phase, end] = /^(.+)_(start|completed|failed)$/.exec(kind) ?? [];
  if (phase === undefined) return { phase: kind, mark: kind === "note" ? "note" : "fact" };
  return { phase, mark: end === "start" ? "began" : ends[end as "completed" | "failed"] };
}

const ends = { completed: "done", failed: "failed" } as const;
const looks = {
  began: { sign: "·", colour: "dim" },
  done: { sign: "✓", colour: "green" },
  failed: { sign: "✗", colour: "red" },
  fact: { sign: "·", colour: "dim" },
  note: { sign: "!", colour: "yellow" },
} as const;

/** One line of the timeline: elapsed seconds, sign, text, and how long it took. */
export function timelineLine(terminal: Terminal, entry: TimelineEntry, to: "out" | "err"): string {
  const { sign, colour } = looks[entry.mark];
  const elapsed = `${(entry.elapsedMs / 1_000).toFixed(1)}s`.padStart(8);
  const text = entry.mark === "began" || entry.mark === "failed" ? terminal.paint(colour, entry.text, to) : entry.text;
  const took = entry.tookMs === undefined ? "" : `  ${terminal.paint("dim", `(${duration(entry.tookMs)})`, to)}`;
  return `${terminal.paint("dim", elapsed, to)}  ${terminal.paint(colour, sign, to)} ${text}${took}`;
}
