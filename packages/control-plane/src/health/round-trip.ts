// A task sent through the real way, only to see it come back: what the way is like, and where it is broken.
import { Answer, type RoundTrip, type TaskType } from "@gitspaces/contracts";
import { v7 as uuidv7 } from "uuid";
import type { Collaborators } from "../lifecycle/act.ts";
import type { TaskRow } from "../store/tasks.ts";

/** Longer than any hop needs when it is well; whoever asks for the health waits for so long at most. */
export const ROUND_TRIP_MS = 5_000;

export type Probe = {
  type: TaskType;
  gitspace: string;
  instance: string | null;
  generation: number;
  data: Record<string, unknown>;
  /** Delegates that are not to have it. */
  notFor: readonly string[];
};
export type Back = { trip: RoundTrip; result: Record<string, unknown> | undefined };

/** Offers a task to the delegates and waits until it is answered or its time is over. Never throws for what happens on the way. */
export async function roundTrip(with_: Collaborators, probe: Probe, signal: AbortSignal): Promise<Back> {
  const { store, clock } = with_;
  const id = uuidv7();
  const at = clock.now();
  const { type, gitspace, instance, generation, data } = probe;
  store.step("ProbeMade", () => {
    store.probes.makeGitspace({ at });
    store.tasks.add({
      id,
      type,
      gitspace,
      instance,
      generation,
      data: JSON.stringify(data),
      deadline: at + ROUND_TRIP_MS,
      at,
    });
    store.probes.notFor({ id, refused: JSON.stringify(probe.notFor) });
    store.bells.touch("tasks");
  });
  for (;;) {
    const seen = store.bells.answers.count;
    const task = store.tasks.get({ id });
    const leftMs = at + ROUND_TRIP_MS + 1_000 - clock.now();
    if (task === undefined || task.state === "answered" || leftMs <= 0 || signal.aborted) return read(task);
    await store.bells.answers.next(seen, leftMs, signal);
  }
}

/** Pure: what the end of a task says of its way. The control plane's own word at the deadline says only that nobody spoke. */
export function read(task: TaskRow | undefined): Back {
  const answer = task?.answer == null ? undefined : Answer.parse(JSON.parse(task.answer));
  const tookMs = task === undefined ? null : (task.answered ?? task.created) - task.created;
  if (answer?.outcome === "ok")
    return { trip: { outcome: "ok", took_ms: tookMs, message: null }, result: answer.result };
  const isSilent = answer === undefined || answer.failure.code === "timeout";
  if (isSilent && task?.acquired == null)
    return { trip: { outcome: "not_taken", took_ms: null, message: null }, result: undefined };
  if (isSilent) return { trip: { outcome: "no_answer", took_ms: null, message: null }, result: undefined };
  return { trip: { outcome: "failed", took_ms: tookMs, message: answer.failure.message }, result: undefined };
}
