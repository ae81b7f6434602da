// What happened during a task, as its person sees it in the timeline and the log.
import { z } from "zod";
import { GitspaceId, TaskId } from "./names.ts";

const actions = [
  "gitspace_action_start",
  "gitspace_action_stop",
  "gitspace_action_reset",
  "gitspace_action_delete",
  "gitspace_action_undelete",
] as const;

const phases = [
  "fetch_devcontainer",
  "infra_provisioning",
  "infra_vm_creation",
  "infra_gateway_route",
  "infra_publish_gateway",
  "infra_stop",
  "infra_cleanup",
  "infra_deprovisioning",
  "infra_reset",
  "agent_connect",
  "agent_gitspace_creation",
  "agent_gitspace_stop",
  "agent_gitspace_deletion",
  "agent_clone",
  "agent_devcontainer",
  "agent_image",
  "agent_hooks",
  "agent_ide",
] as const;

export const eventKinds = [
  ...actions.flatMap((action) => [action, `${action}_completed`, `${action}_failed`] as const),
  ...phases.flatMap((phase) => [`${phase}_start`, `${phase}_completed`, `${phase}_failed`] as const),
  "delegate_task_submitted",
  "gitspace_action_auto_stop",
  "gitspace_action_cancel",
  "gitspace_action_cleanup_job",
  "agent_gitspace_state_report_running",
  "agent_gitspace_state_report_error",
  "agent_gitspace_state_report_stopped",
  "agent_gitspace_state_report_unknown",
  "ssh_key_added",
  "ssh_key_removed",
  /** Something was left out or done differently than asked, and work goes on. */
  "note",
  /** One line of output; kept with the log, not in the timeline. */
  "log",
] as const;

export const EventKind = z.enum(eventKinds);
export type EventKind = z.infer<typeof EventKind>;

export const TaskEvent = z.strictObject({
  taskId: TaskId,
  gitspaceId: GitspaceId,
  /** Counts per task from 1; a repeat of a number is the same event. Tasks of runner and agent each have their own task id, so the counts never meet. */
  seq: z.int().min(1),
  /** Milliseconds since the epoch. */
  at: z.number(),
  kind: EventKind,
  message: z.string().max(8_192),
  fields: z.record(z.string(), z.unknown()).optional(),
});
export type TaskEvent = z.infer<typeof TaskEvent>;
