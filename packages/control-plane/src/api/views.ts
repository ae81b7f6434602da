// Rows as the public API shows them.
import type { Gitspace, GitspaceEvent, LogLine, PersonalToken, TaskView, User } from "@gitspaces/contracts";
import type { z } from "zod";
import type { Addresses } from "../addresses.ts";
import { shownState } from "../lifecycle/situation.ts";
import type { EventRow, LogRow } from "../store/events.ts";
import type { GitspaceRow, InstanceRow } from "../store/gitspaces.ts";
import type { Store } from "../store/store.ts";
import type { TaskRow } from "../store/tasks.ts";
import type { TokenRow, UserRow } from "../store/users.ts";

function flag(value: number | null): boolean | null {
  return value === null ? null : value === 1;
}

/** A Gitspace with its newest instance. */
export function gitspaceView(store: Store, addresses: Addresses, row: GitspaceRow): Gitspace {
  const instance = row.instance === null ? undefined : store.instances.get({ id: row.instance });
  const url = addresses.gitspace(row.id);
  return {
    identifier: row.id,
    name: row.name,
    state: shownState(instance?.state ?? null),
    ide: row.ide,
    code_repo_url: row.repository,
    branch: row.branch,
    devcontainer_path: row.devcontainer_path,
    resource_identifier: row.pool,
    user_id: row.owner,
    user_display_name: store.users.get({ identifier: row.owner })?.display_name ?? row.owner,
    generation: row.generation,
    created: row.created,
    updated: row.updated,
    url,
    instance: instance === undefined ? null : instanceView(instance, url),
    undelete_until: row.purge_at,
    auto_stop_minutes: row.auto_stop_minutes,
  };
}

function instanceView(row: InstanceRow, url: string): NonNullable<Gitspace["instance"]> {
  return {
    identifier: row.id,
    state: row.state,
    url: row.state === "running" ? url : null,
    error_message: row.error_message,
    error_code: row.error_code,
    last_used: row.last_used,
    active_time_started: row.active_time_started,
    active_time_ended: row.active_time_ended,
    total_time_used: row.total_time_used,
    has_git_changes: flag(row.has_git_changes),
    machine_user: row.machine_user,
    warm: flag(row.warm),
    created: row.created,
    updated: row.updated,
  };
}

export function eventView(row: EventRow): GitspaceEvent {
  return {
    id: row.id,
    event: row.kind,
    gitspace_identifier: row.gitspace,
    instance_identifier: row.instance,
    task_id: row.task,
    message: row.message,
    timestamp: row.at,
    fields: row.fields === null ? null : (JSON.parse(row.fields) as Record<string, unknown>),
  };
}

export function logView(row: LogRow): LogLine {
  return { pos: row.pos, out: row.out, time: row.time, task_id: row.task };
}

export function taskView(row: TaskRow): TaskView {
  const answer = row.answer === null ? null : (JSON.parse(row.answer) as Record<string, unknown>);
  const part = (name: string) => (answer?.[name] as Record<string, unknown> | undefined) ?? null;
  return {
    task_id: row.id,
    type: row.type,
    state: row.state,
    outcome: row.outcome,
    result: part("result"),
    failure: part("failure"),
    timings: part("timings") as Record<string, number> | null,
  };
}

export function userView({ identifier, display_name, email, role, created }: UserRow): User {
  return { identifier, display_name, email, role, created };
}

export function tokenView({
  identifier,
  name,
  user,
  created,
  expires_at,
  last_used,
}: TokenRow): z.infer<typeof PersonalToken> {
  return { identifier, name, user_identifier: user, created, expires_at, last_used };
}
