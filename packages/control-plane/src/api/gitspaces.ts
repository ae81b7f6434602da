// What a person does with Gitspaces, as the routes call it. Another user's Gitspace is not there.
import { randomBytes } from "node:crypto";
import {
  fail,
  makeGitspaceId,
  type CreateGitspace,
  type GitspaceActivity,
  type GitspaceId,
} from "@gitspaces/contracts";
import type { Clock } from "@gitspaces/daemon";
import { v7 as uuidv7 } from "uuid";
import type { z } from "zod";
import type { Addresses } from "../addresses.ts";
import { writeAccessDocument } from "../gateways/access-document.ts";
import { sha256 } from "../hash.ts";
import type { Deadlines } from "../lifecycle/orders.ts";
import { act } from "../lifecycle/act.ts";
import { stopsAt } from "../lifecycle/auto-stop.ts";
import type { InstanceState, Trigger } from "../lifecycle/situation.ts";
import type { GitspaceRow } from "../store/gitspaces.ts";
import type { Store } from "../store/store.ts";
import type { TaskRow } from "../store/tasks.ts";
import type { UserRow } from "../store/users.ts";
import type { Vault } from "../vault.ts";
import type { ListQuery } from "./schemas.ts";

const ACTIVITY_MS = 24 * 3_600_000;

export type ApiParts = {
  store: Store;
  clock: Clock;
  deadlines: Deadlines;
  addresses: Addresses;
  vault: Vault;
  defaultPool: string;
  publicUrl: string;
  singleUser: boolean;
  /** How long the home disk of a deleted Gitspace is kept; 0: not at all. */
  deleteGraceMs: number;
  closing: AbortSignal;
};

/** A Gitspace its user may see: the owner, or an administrator. @throws {FailureError} `not_found`. */
export function visible({ store }: Pick<ApiParts, "store">, id: GitspaceId, user: UserRow): GitspaceRow {
  const row = store.gitspaces.get({ id });
  if (row === undefined || row.deleted !== null || (row.owner !== user.identifier && user.role !== "admin")) {
    throw fail("not_found", `There is no Gitspace ${id}.`);
  }
  return row;
}

/** Takes a person's action on a Gitspace they may see. @throws {FailureError} when it is refused. */
export function accept(parts: ApiParts, id: GitspaceId, trigger: Trigger, user: UserRow): GitspaceRow {
  visible(parts, id, user);
  parts.store.step("Accept", () => act(parts, id, trigger, user.identifier));
  return parts.store.gitspaces.get({ id }) as GitspaceRow;
}

/** Makes a Gitspace that was never started. The same `key` of the same user makes it once. */
export function create(
  parts: ApiParts,
  body: z.output<typeof CreateGitspace>,
  user: UserRow,
  key: string | undefined,
): GitspaceRow {
  const { store, clock, vault } = parts;
  const digest = sha256(JSON.stringify(body));
  const name = body.name ?? repositoryName(body.code_repo_url);
  const id = makeGitspaceId(name, randomBytes);
  const token = body.code_repo_token;
  const at = clock.now();
  return store.step("Create", () => {
    const earlier = key === undefined ? undefined : store.creations.get({ user: user.identifier, key });
    if (earlier !== undefined) {
      if (earlier.digest !== digest)
        throw fail("conflict", "This Idempotency-Key was used for another request.", { retry: "never" });
      return visible(parts, earlier.gitspace, user);
    }
    store.gitspaces.add({
      id,
      name,
      owner: user.identifier,
      repository: body.code_repo_url,
      branch: body.branch ?? null,
      clone_depth: body.clone_depth ?? null,
      clone_filter: body.clone_filter ?? null,
      devcontainer_path: body.devcontainer_path ?? null,
      ide: body.ide,
      pool: body.resource_identifier ?? parts.defaultPool,
      secret: token === undefined ? null : vault.seal(token, id),
      secret_user: body.code_repo_user ?? null,
      auto_stop_minutes: body.auto_stop_minutes ?? null,
      at,
    });
    if (key !== undefined) store.creations.add({ user: user.identifier, key, digest, gitspace: id, at });
    writeAccessDocument(store, id);
    return visible(parts, id, user);
  });
}

/** Sets after how many idle minutes a Gitspace stops; null: never. @throws {FailureError} `not_found`. */
export function setAutoStop(parts: ApiParts, id: GitspaceId, minutes: number | null, user: UserRow): GitspaceRow {
  const { store, clock } = parts;
  visible(parts, id, user);
  store.step("AutoStopSet", () => {
    store.gitspaces.setAutoStop({ id, minutes, at: clock.now() });
    // Whoever shows it learns of it as of any other change.
    writeAccessDocument(store, id);
  });
  return visible(parts, id, user);
}

/** What moved bytes within the last 24 hours, and when it stops by itself. */
export function activityOf({ store, clock }: ApiParts, row: GitspaceRow): GitspaceActivity {
  const instance = row.instance === null ? undefined : store.instances.get({ id: row.instance });
  const lastUsed = instance?.last_used ?? null;
  return {
    last_used: lastUsed,
    auto_stop_minutes: row.auto_stop_minutes,
    stops_at: stopsAt(instance?.state === "running", row.auto_stop_minutes, lastUsed),
    entries: store.activity.since({ gitspace: row.id, after: clock.now() - ACTIVITY_MS }),
  };
}

function repositoryName(url: string): string {
  const last = new URL(url).pathname.split("/").findLast((part) => part !== "") ?? "";
  const name = last.replace(/\.git$/, "").slice(0, 40);
  return name === "" ? "gitspace" : name;
}

const stateFilters: Record<string, readonly (InstanceState | null)[]> = {
  running: ["running"],
  error: ["error", "unknown"],
  stopped: ["stopped", "cleaned", "uninitialized", null],
};

/** One page of a user's Gitspaces, and how many there are with and without the filters. Only administrators see everybody's. */
export function list({ store }: ApiParts, query: ListQuery, user: UserRow) {
  const owner = query.gitspace_owner === "all" && user.role === "admin" ? null : user.identifier;
  const deleted = Number(query.deleted === "true");
  const named = store.gitspaces.list({ owner, deleted, query: query.query.toLowerCase(), sort: query.sort });
  const wanted = [...(query.gitspace_states ?? []), ...(query["gitspace_states[]"] ?? [])];
  const states = new Set(wanted.flatMap((name) => stateFilters[name] ?? []));
  const fitting = wanted.length === 0 ? named : named.filter((row) => states.has(row.state));
  const ordered = query.order === "asc" ? fitting.toReversed() : fitting;
  const from = (query.page - 1) * query.limit;
  const withoutFilter =
    query.query === "" ? named : store.gitspaces.list({ owner, deleted, query: "", sort: query.sort });
  return { rows: ordered.slice(from, from + query.limit), total: fitting.length, totalNoFilter: withoutFilter.length };
}

/** Asks a running Gitspace's agent how it is; gives the task's id. @throws {FailureError} `conflict` when it does not run. */
export function askStatus({ store, clock, deadlines }: ApiParts, row: GitspaceRow): string {
  const instance = row.instance === null ? undefined : store.instances.get({ id: row.instance });
  if (instance?.state !== "running") {
    throw fail("conflict", `Only a running Gitspace can be asked; this one is ${instance?.state ?? "uninitialized"}.`);
  }
  const id = uuidv7();
  const at = clock.now();
  store.step("StatusAsked", () => {
    const deadline = at + deadlines.statusMs;
    const { generation } = row;
    store.tasks.add({
      id,
      type: "gitspace.status",
      gitspace: row.id,
      instance: instance.id,
      generation,
      data: "{}",
      deadline,
      at,
    });
    store.bells.touch("tasks");
  });
  return id;
}

/** The task once it is answered, or as it is after `waitMs`. @throws {FailureError} `not_found`. */
export async function taskAfter(
  { store, clock }: ApiParts,
  row: GitspaceRow,
  id: string,
  waitMs: number,
  signal: AbortSignal,
): Promise<TaskRow> {
  const until = clock.now() + waitMs;
  for (;;) {
    const seen = store.bells.answers.count;
    const task = store.tasks.get({ id });
    if (task?.gitspace !== row.id) throw fail("not_found", "There is no such task of this Gitspace.");
    const leftMs = until - clock.now();
    if (task.state === "answered" || leftMs <= 0 || signal.aborted) return task;
    await store.bells.answers.next(seen, leftMs, signal);
  }
}
