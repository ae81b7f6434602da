// Which task a phase is, what is in it, and how long it may take.
import type { TaskType } from "@gitspaces/contracts";
import type { GitspaceRow } from "../store/gitspaces.ts";
import type { UserRow } from "../store/users.ts";
import type { Phase } from "./situation.ts";

export type Deadlines = { provisionMs: number; startMs: number; stopMs: number; destroyMs: number; statusMs: number };

export const usualDeadlines: Deadlines = {
  provisionMs: 10 * 60_000,
  startMs: 30 * 60_000,
  stopMs: 5 * 60_000,
  destroyMs: 10 * 60_000,
  statusMs: 30_000,
};

const types: Record<Phase, TaskType> = {
  release: "vm.stop",
  provision: "vm.provision",
  start: "gitspace.start",
  agent_stop: "gitspace.stop",
  vm_stop: "vm.stop",
  remove: "gitspace.remove",
  destroy: "vm.destroy",
};

const limits: Record<Phase, keyof Deadlines> = {
  release: "stopMs",
  provision: "provisionMs",
  start: "startMs",
  agent_stop: "stopMs",
  vm_stop: "stopMs",
  remove: "stopMs",
  destroy: "destroyMs",
};

export type Order = { type: TaskType; data: Record<string, unknown>; timeoutMs: number };

/** The task of a phase. Secrets are not in it: they are sealed when somebody acquires the task. */
export function order(phase: Phase, gitspace: GitspaceRow, owner: UserRow, deadlines: Deadlines): Order {
  return { type: types[phase], data: data(phase, gitspace, owner), timeoutMs: deadlines[limits[phase]] };
}

function data(phase: Phase, gitspace: GitspaceRow, owner: UserRow): Record<string, unknown> {
  switch (phase) {
    case "provision":
      return { pool: gitspace.pool, homeDisk: gitspace.id, source: source(gitspace, owner) };
    case "start":
      return {
        repository: repository(gitspace),
        ...(gitspace.devcontainer_path === null ? {} : { devcontainerPath: gitspace.devcontainer_path }),
        ide: gitspace.ide,
        author: { name: owner.display_name, email: owner.email },
        secrets: null,
      };
    case "release":
    case "vm_stop":
      return { policy: "release" };
    case "agent_stop":
      return {};
    case "remove":
      return { deleteData: true };
    default:
      phase satisfies "destroy";
      return { homeDisk: gitspace.id };
  }
}

function repository({ repository: url, branch, clone_depth: depth, clone_filter: filter }: GitspaceRow) {
  return {
    url,
    ...(branch === null ? {} : { branch }),
    ...(depth === null ? {} : { depth }),
    ...(filter === null ? {} : { filter }),
  };
}

function source(gitspace: GitspaceRow, { organisation }: UserRow): Record<string, unknown> {
  return {
    repository: gitspace.repository,
    organisation,
    ...(gitspace.branch === null ? {} : { branch: gitspace.branch }),
    ...(gitspace.devcontainer_path === null ? {} : { devcontainerPath: gitspace.devcontainer_path }),
  };
}
