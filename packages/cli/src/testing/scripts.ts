// What happens to a Gitspace of the stand-in, step by step.
import type { EventKind, GitspaceState } from "@gitspaces/contracts";

export type Step = {
  event?: EventKind;
  message?: string;
  log?: string;
  state?: GitspaceState;
  /** The failure that goes with state `error`. */
  fails?: { code: string; message: string };
  /** The Gitspace is gone after this step. */
  removes?: true;
  /** How much longer than others this step takes. */
  weight?: number;
};

const begin: Step[] = [
  { event: "gitspace_action_start", message: "Starting" },
  { event: "infra_provisioning_start", message: "Asking for a machine" },
  { event: "delegate_task_submitted", message: "Taken by delegate local" },
  { event: "infra_vm_creation_start", message: "Taking a warm machine" },
  { event: "infra_vm_creation_completed", message: "A warm machine is taken" },
  { event: "infra_provisioning_completed", message: "The machine is there" },
  { event: "agent_clone_start", message: "Cloning the repository", log: "Cloning into 'hello'...", weight: 6 },
];

export const scripts = {
  start: [
    ...begin,
    { log: "\u001b[32mReceiving objects: 100%\u001b[0m (12/12), done." },
    { event: "log", message: "Receiving objects: 100%" },
    { event: "agent_clone_completed", message: "The repository is cloned" },
    { event: "agent_ide_start", message: "Opening VS Code" },
    { event: "note", message: "features of devcontainer.json are not applied" },
    { event: "agent_ide_completed", message: "VS Code answers" },
    { event: "gitspace_action_start_completed", message: "Running", state: "running" },
  ],
  failingStart: [
    ...begin,
    { log: "fatal: repository not found" },
    { event: "agent_clone_failed", message: "The repository was not found. Check its address." },
    { event: "gitspace_action_start_failed", message: "Could not start" },
    {
      state: "error",
      fails: { code: "repository_unreachable", message: "The repository was not found. Check its address." },
    },
  ],
  stop: [
    { event: "gitspace_action_stop", message: "Stopping" },
    { event: "infra_stop_start", message: "Giving the machine back" },
    { event: "infra_stop_completed", message: "The machine is given back" },
    { event: "gitspace_action_stop_completed", message: "Stopped", state: "stopped" },
  ],
  cancel: [
    { event: "gitspace_action_cancel", message: "Cancelling the start" },
    { event: "gitspace_action_stop_completed", message: "Cancelled", state: "stopped" },
  ],
  resetUp: [
    { event: "gitspace_action_reset", message: "Resetting" },
    { event: "infra_reset_completed", message: "The machine is gone", state: "starting" },
    { event: "gitspace_action_reset_completed", message: "Reset", state: "running" },
  ],
  resetDown: [
    { event: "gitspace_action_reset", message: "Resetting" },
    { event: "gitspace_action_reset_completed", message: "Reset", state: "stopped" },
  ],
  removeForNow: [
    { event: "gitspace_action_delete", message: "Deleting" },
    { event: "gitspace_action_delete_completed", message: "Deleted for now", state: "deleted" },
  ],
  remove: [
    { event: "gitspace_action_delete", message: "Deleting" },
    { event: "infra_deprovisioning_start", message: "Removing the files" },
    { event: "infra_deprovisioning_completed", message: "The files are removed" },
    { event: "gitspace_action_delete_completed", message: "Deleted", removes: true },
  ],
} satisfies Record<string, Step[]>;
