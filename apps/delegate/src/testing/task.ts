// Tasks for tests, in the form in which acquiring gives them.
import { randomUUID } from "node:crypto";
import type { GitspaceTask, VmTask, WireTask } from "@gitspaces/contracts";

export const GITSPACE = "hello-k3v9x2";

function envelope(lifeMs: number) {
  return {
    v: 1 as const,
    id: randomUUID(),
    gitspaceId: GITSPACE,
    generation: 1,
    deadline: Date.now() + lifeMs,
    data: {},
  };
}

export function vmTask(lifeMs = 60_000): VmTask {
  return { ...envelope(lifeMs), type: "vm.status" };
}

export function gitspaceTask(lifeMs = 60_000): GitspaceTask {
  return { ...envelope(lifeMs), type: "gitspace.status", signature: "signed.by.somebody" };
}

export function wire(task: { id: string; type: string; deadline: number }): WireTask {
  return { id: task.id, type: task.type, data: task, async: true, timeout: task.deadline - Date.now() };
}
