// Gitspaces and their instances. What is being done about a Gitspace is written beside it; the state is its newest instance's.
import type { DatabaseSync } from "node:sqlite";
import { type ActionName, agentPhases, type InstanceState, type Phase } from "../lifecycle/situation.ts";
import { all, one, run } from "./query.ts";

export type GitspaceRow = {
  id: string;
  name: string;
  owner: string;
  repository: string;
  branch: string | null;
  clone_depth: number | null;
  clone_filter: "blob:none" | null;
  devcontainer_path: string | null;
  ide: "vs_code_web";
  pool: string;
  secret: Uint8Array | null;
  secret_user: string | null;
  generation: number;
  instance: string | null;
  instances: number;
  marked_for_deletion: number;
  marked_for_reset: number;
  marked_for_infra_reset: number;
  action: ActionName | null;
  phase: Phase | null;
  task: string | null;
  has_vm: number;
  attempts: number;
  retry_at: number | null;
  purge_at: number | null;
  auto_stop_minutes: number | null;
  ports: string;
  ports_at: number;
  version: number;
  created: number;
  updated: number;
  deleted: number | null;
};

export type InstanceRow = {
  id: string;
  gitspace: string;
  number: number;
  state: InstanceState;
  error_message: string | null;
  error_code: string | null;
  last_used: number | null;
  active_time_started: number | null;
  active_time_ended: number | null;
  total_time_used: number;
  has_git_changes: number | null;
  machine_user: string | null;
  folder: string | null;
  warm: number | null;
  vm: string | null;
  agent_key: string | null;
  created: number;
  updated: number;
};

export type GitspaceListing = GitspaceRow & { state: InstanceState | null };

export function openGitspaces(db: DatabaseSync) {
  return {
    get: one<GitspaceRow>(db, "SELECT * FROM gitspaces WHERE id = :id"),
    add: run(
      db,
      `INSERT INTO gitspaces (id, name, owner, repository, branch, clone_depth, clone_filter, devcontainer_path, ide, pool, secret,
         secret_user, auto_stop_minutes, created, updated)
       VALUES (:id, :name, :owner, :repository, :branch, :clone_depth, :clone_filter, :devcontainer_path, :ide, :pool, :secret,
         :secret_user, :auto_stop_minutes, :at, :at)`,
    ),
    /** Writes what a decision changed. */
    change: run(
      db,
      `UPDATE gitspaces SET generation = :generation, instance = :instance, instances = :instances, marked_for_deletion = :deletion,
         marked_for_reset = :reset, marked_for_infra_reset = :infraReset, action = :action, phase = :phase, task = :task,
         has_vm = :hasVm, attempts = :attempts, retry_at = :retryAt, purge_at = :purgeAt, updated = :at, deleted = :deleted,
         secret = CASE WHEN :deleted IS NULL THEN secret END
       WHERE id = :id`,
    ),
    setVersion: run(db, "UPDATE gitspaces SET version = :version WHERE id = :id"),
    setPorts: run(db, "UPDATE gitspaces SET ports = :ports, ports_at = :at WHERE id = :id"),
    setAutoStop: run(db, "UPDATE gitspaces SET auto_stop_minutes = :minutes, updated = :at WHERE id = :id"),
    /** Those that run and are to be stopped when nobody uses them. */
    withAutoStop: all<{ id: string; auto_stop_minutes: number; last_used: number }>(
      db,
      `SELECT g.id, g.auto_stop_minutes, i.last_used FROM gitspaces g JOIN instances i ON i.id = g.instance
       WHERE g.deleted IS NULL AND i.state = 'running' AND g.auto_stop_minutes IS NOT NULL AND i.last_used IS NOT NULL`,
    ),
    holdsVm: run(db, "UPDATE gitspaces SET has_vm = 1 WHERE id = :id"),
    /** Those whose VM should be there: they run, or their agent was asked for something. */
    withVm: all<{ id: string }>(
      db,
      `SELECT g.id FROM gitspaces g JOIN instances i ON i.id = g.instance
       WHERE g.deleted IS NULL AND (i.state = 'running' OR g.phase IN (${agentPhases.map((phase) => `'${phase}'`).join(", ")}))`,
    ),
    toRetry: all<{ id: string }>(db, "SELECT id FROM gitspaces WHERE retry_at <= :at"),
    nextRetry: one<{ at: number | null }>(db, "SELECT min(retry_at) AS at FROM gitspaces WHERE retry_at IS NOT NULL"),
    /** `owner` null: everybody's. `deleted`: 1 for those that can still be taken back, 0 for the others. */
    list: all<GitspaceListing>(
      db,
      `SELECT g.*, i.state AS state FROM gitspaces g LEFT JOIN instances i ON i.id = g.instance
       WHERE g.deleted IS NULL AND (coalesce(i.state, '') = 'deleted') = :deleted AND (:owner IS NULL OR g.owner = :owner)
         AND (:query = '' OR instr(lower(g.name || ' ' || g.id || ' ' || g.repository), :query) > 0)
       ORDER BY CASE :sort WHEN 'created' THEN g.created WHEN 'last_used' THEN coalesce(i.last_used, 0)
         ELSE coalesce(i.active_time_started, 0) END DESC, g.created DESC, g.id`,
    ),
    ofOwner: all<{ id: string; instance: string | null }>(
      db,
      "SELECT id, instance FROM gitspaces WHERE owner = :owner AND deleted IS NULL",
    ),
    /** Those that changed after a version of the access stream, oldest change first; also deleted ones. */
    changedSince: all<GitspaceRow>(
      db,
      "SELECT * FROM gitspaces WHERE version > :version AND (:owner IS NULL OR owner = :owner) ORDER BY version",
    ),
  };
}

export function openInstances(db: DatabaseSync) {
  return {
    get: one<InstanceRow>(db, "SELECT * FROM instances WHERE id = :id"),
    add: run(
      db,
      `INSERT INTO instances (id, gitspace, number, state, has_git_changes, created, updated)
       VALUES (:id, :gitspace, :number, :state, :has_git_changes, :at, :at)`,
    ),
    setState: run(
      db,
      `UPDATE instances SET state = :state, error_message = :message, error_code = :code, updated = :at WHERE id = :id`,
    ),
    setActiveStart: run(
      db,
      "UPDATE instances SET active_time_started = :at, active_time_ended = NULL, last_used = :at WHERE id = :id",
    ),
    setActiveEnd: run(
      db,
      `UPDATE instances SET active_time_ended = :at, total_time_used = total_time_used + (:at - active_time_started)
       WHERE id = :id AND active_time_started IS NOT NULL AND active_time_ended IS NULL`,
    ),
    setVm: run(db, "UPDATE instances SET vm = :vm, agent_key = :agentKey, warm = :warm WHERE id = :id"),
    setUser: run(db, "UPDATE instances SET machine_user = :user, folder = :folder WHERE id = :id"),
    setGitChanges: run(db, "UPDATE instances SET has_git_changes = :changes WHERE id = :id"),
    used: run(db, "UPDATE instances SET last_used = :at WHERE id = :id AND coalesce(last_used, 0) < :at"),
  };
}

export type ActionRow = {
  gitspace: string;
  generation: number;
  action: string;
  user: string | null;
  accepted: number;
  finished: number | null;
  outcome: string | null;
  failure: string | null;
};

export function openActions(db: DatabaseSync) {
  return {
    add: run(db, "INSERT INTO actions VALUES (:gitspace, :generation, :action, :user, :at, NULL, NULL, NULL)"),
    finish: run(
      db,
      `UPDATE actions SET finished = :at, outcome = :outcome, failure = :failure
       WHERE gitspace = :gitspace AND generation = :generation`,
    ),
    list: all<ActionRow>(db, "SELECT * FROM actions WHERE gitspace = :gitspace ORDER BY generation"),
  };
}
