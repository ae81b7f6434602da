// Carries out what the lifecycle machine decides: state, task, events and access document in one transaction, before any effect.
import { randomBytes } from "node:crypto";
import { type Failure, FailureError, makeGitspaceId } from "@gitspaces/contracts";
import type { Clock } from "@gitspaces/daemon";
import { v7 as uuidv7 } from "uuid";
import { writeAccessDocument } from "../gateways/access-document.ts";
import type { GitspaceRow, InstanceRow } from "../store/gitspaces.ts";
import type { Store } from "../store/store.ts";
import type { UserRow } from "../store/users.ts";
import { type Change, type Decision, type EventNote } from "./decision.ts";
import { decide } from "./lifecycle.ts";
import { type Deadlines, order } from "./orders.ts";
import type { Situation, Trigger } from "./situation.ts";

export type Collaborators = { store: Store; clock: Clock; deadlines: Deadlines };

/** Applies a trigger to a Gitspace, inside the caller's step. `user` asked for it, if anybody did. */
export function apply(with_: Collaborators, id: string, trigger: Trigger, user: string | null = null): Decision {
  const { store, clock } = with_;
  const gitspace = store.gitspaces.get({ id });
  if (gitspace === undefined || gitspace.deleted !== null) return { outcome: "unchanged" };
  const instance = gitspace.instance === null ? undefined : store.instances.get({ id: gitspace.instance });
  const at = clock.now();
  const decision = decide(situation(gitspace, instance), trigger, at);
  if (decision.outcome === "changed") write(with_, gitspace, instance, decision.change, user, at);
  return decision;
}

/** Like `apply`, for a person's action. @throws {FailureError} when it is refused. */
export function act(with_: Collaborators, id: string, trigger: Trigger, user: string): void {
  const decision = apply(with_, id, trigger, user);
  if (decision.outcome === "refused") throw new FailureError(decision.failure);
}

function situation(gitspace: GitspaceRow, instance: InstanceRow | undefined): Situation {
  return {
    state: instance?.state ?? null,
    generation: gitspace.generation,
    action: gitspace.action,
    phase: gitspace.phase,
    hasVm: gitspace.has_vm === 1,
    attempts: gitspace.attempts,
    marks: {
      deletion: gitspace.marked_for_deletion === 1,
      reset: gitspace.marked_for_reset === 1,
      infraReset: gitspace.marked_for_infra_reset === 1,
    },
    purgeAt: gitspace.purge_at,
  };
}

function write(
  { store, deadlines }: Collaborators,
  gitspace: GitspaceRow,
  before: InstanceRow | undefined,
  change: Change,
  user: string | null,
  at: number,
): void {
  const { id } = gitspace;
  if (change.task !== "keep" && gitspace.task !== null) cancelTask(store, gitspace.task, at);
  if (change.instance === "retire" && before !== undefined) {
    store.instances.setState({ id: before.id, state: "pending_cleanup", message: null, code: null, at });
  }
  const instance = writeInstance(store, gitspace, before, change, at);
  const task = change.task === "keep" ? gitspace.task : writeTask();

  if (change.generation > gitspace.generation) {
    store.actions.add({ gitspace: id, generation: change.generation, action: change.action, user, at });
  }
  if (change.finished !== null) {
    const failure = change.failure === null ? null : JSON.stringify(change.failure);
    store.actions.finish({ gitspace: id, generation: change.generation, outcome: change.finished, failure, at });
  }
  store.gitspaces.change({
    id,
    at,
    generation: change.generation,
    instance,
    instances: gitspace.instances + (instance === gitspace.instance ? 0 : 1),
    deletion: Number(change.marks.deletion),
    reset: Number(change.marks.reset),
    infraReset: Number(change.marks.infraReset),
    action: change.action,
    phase: change.phase,
    task,
    hasVm: Number(change.hasVm),
    attempts: change.attempts,
    retryAt: change.retryAt,
    purgeAt: change.purgeAt,
    deleted: change.gone ? at : null,
  });
  for (const event of change.events) writeEvent(store, { gitspace: id, instance, task, at }, event);
  const isSeen = change.state !== before?.state || change.generation !== gitspace.generation || change.gone;
  if (isSeen) writeAccessDocument(store, id);

  function writeTask(): string | null {
    if (change.task === "none" || change.phase === null) return null;
    const owner = store.users.get({ identifier: gitspace.owner }) as UserRow;
    const { type, data, timeoutMs } = order(change.phase, gitspace, owner, deadlines);
    const taskId = uuidv7();
    const generation = change.taskGeneration;
    store.tasks.add({
      id: taskId,
      type,
      gitspace: id,
      instance,
      generation,
      data: JSON.stringify(data),
      deadline: at + timeoutMs,
      at,
    });
    store.bells.touch("tasks");
    return taskId;
  }
}

/** Writes one line of the timeline, inside the caller's step. */
export function writeEvent(
  store: Store,
  of: { gitspace: string; instance: string | null; task: string | null; at: number },
  { kind, message, fields }: EventNote,
): void {
  store.events.add({ ...of, seq: null, kind, message, fields: fields === undefined ? null : JSON.stringify(fields) });
  store.bells.touch("events");
}

/** A task that is no longer wanted has its answer now; whoever holds it is told. */
function cancelTask(store: Store, id: string, at: number): void {
  const task = store.tasks.get({ id });
  if (task === undefined || task.state === "answered") return;
  const failure: Failure = { code: "cancelled", message: "Another action took its place.", retry: "never" };
  const answer = JSON.stringify({ taskId: id, generation: task.generation, timings: {}, outcome: "failed", failure });
  store.tasks.answer({ id, answer, outcome: "failed", at, cancelled: 1 });
  store.bells.touch("tasks");
  store.bells.touch("answers");
}

/** Gives the id of the instance that is the newest from now on. */
function writeInstance(
  store: Store,
  gitspace: GitspaceRow,
  before: InstanceRow | undefined,
  change: Change,
  at: number,
): string | null {
  if (before === undefined && change.gone) return null;
  if (before === undefined || change.instance !== "same") {
    const id = makeGitspaceId(gitspace.id, randomBytes);
    const hasGitChanges = before?.has_git_changes ?? null;
    const number = gitspace.instances + 1;
    store.instances.add({ id, gitspace: gitspace.id, number, state: change.state, has_git_changes: hasGitChanges, at });
    return id;
  }
  const { id } = before;
  const keepsReason = change.state === "error" && change.failure === null;
  const message = keepsReason ? before.error_message : (change.failure?.message ?? null);
  const code = keepsReason ? before.error_code : (change.failure?.code ?? null);
  store.instances.setState({ id, state: change.state, message, code, at });
  if (before.state !== "running" && change.state === "running") store.instances.setActiveStart({ id, at });
  if (before.state === "running" && change.state !== "running") store.instances.setActiveEnd({ id, at });
  return id;
}
