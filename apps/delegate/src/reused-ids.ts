// The alarm for a task id that came again with another body: nobody may do two things under one id, whoever asks for it.
import { TaskHead, type WireTask } from "@gitspaces/contracts";
import { counter, type Logger } from "@gitspaces/daemon";
import type { ControlPlane } from "./control-plane.ts";

/** Past every number that a runner or an agent gives, and always the same: told twice, it is the same event. */
const ALARM_SEQ = 999_999_999_998;

export type ReusedIds = {
  /** Raises the alarm in the log, in the figures and in the task's own timeline; `known` is the body that counts. */
  refuse(id: string, known: WireTask): void;
};
type Options = { controlPlane: Pick<ControlPlane, "events">; log: Logger; signal: AbortSignal };

export function watchReusedIds({ controlPlane, log, signal }: Options): ReusedIds {
  const count = counter("gitspaces_delegate_task_id_reused_total", "Task ids that came again with another body.");

  async function tell(id: string, known: WireTask): Promise<void> {
    const head = TaskHead.safeParse(known.data);
    if (!head.success) return;
    const message = "The id of this task came again with another body. The first one counts, the other was refused.";
    const { gitspaceId } = head.data;
    const event = { taskId: id, gitspaceId, seq: ALARM_SEQ, at: Date.now(), kind: "note" as const, message };
    await controlPlane.events(id, [event], signal);
  }

  return {
    refuse(id, known) {
      log.error({ taskId: id, alarm: "task_id_reused" }, "a task id came again with another body; refused");
      count.increment();
      tell(id, known).catch((error: unknown) =>
        log.debug({ taskId: id, reason: (error as Error).message }, "the control plane was not told of the alarm"),
      );
    },
  };
}
