// What owners share: the visibility they chose for ports, passes and what was done with them, and the most that is allowed here.
import type { DatabaseSync } from "node:sqlite";
import type { PassKind, Visibility } from "@gitspaces/contracts";
import { all, one, run } from "./query.ts";

/** A token or a link; only its public key is kept. `gitspaces`, `ports`, `methods`: JSON, null for all. */
export type PassRow = {
  id: string;
  kind: PassKind;
  name: string;
  /** The owner of what it opens. */
  owner: string;
  made_by: string;
  /** The personal token it was made with: when that is revoked, it ends too. */
  made_with: string | null;
  gitspaces: string | null;
  ports: string | null;
  path: string;
  methods: string | null;
  key: string;
  created: number;
  expires_at: number;
  ended: number | null;
  requests: number;
  last_used: number | null;
};
export type PassUseRow = { gitspace: string; port: number; address: string; requests: number; at: number };

export function openVisibility(db: DatabaseSync) {
  return {
    ofGitspace: all<{ port: number; visibility: Visibility }>(
      db,
      "SELECT port, visibility FROM port_visibility WHERE gitspace = :gitspace ORDER BY port",
    ),
    set: run(
      db,
      `INSERT INTO port_visibility VALUES (:gitspace, :port, :visibility)
       ON CONFLICT (gitspace, port) DO UPDATE SET visibility = excluded.visibility`,
    ),
    forget: run(db, "DELETE FROM port_visibility WHERE gitspace = :gitspace AND port = :port"),
    /** The most that owners may choose, as it was when documents were last written by it. */
    most: one<{ most_visible: Visibility }>(db, "SELECT most_visible FROM sharing_policy"),
    setMost: run(
      db,
      `INSERT INTO sharing_policy VALUES (1, :most) ON CONFLICT (id) DO UPDATE SET most_visible = excluded.most_visible`,
    ),
    /** Gitspaces whose documents say more than that they are private. */
    sharedGitspaces: all<{ id: string }>(
      db,
      `SELECT id FROM gitspaces g WHERE deleted IS NULL AND (EXISTS (SELECT 1 FROM port_visibility WHERE gitspace = g.id)
         OR EXISTS (SELECT 1 FROM passes WHERE owner = g.owner AND ended IS NULL))`,
    ),
  };
}

export function openPasses(db: DatabaseSync) {
  return {
    add: run(
      db,
      `INSERT INTO passes (id, kind, name, owner, made_by, made_with, gitspaces, ports, path, methods, key, created, expires_at)
       VALUES (:id, :kind, :name, :owner, :made_by, :made_with, :gitspaces, :ports, :path, :methods, :key, :created, :expires_at)`,
    ),
    get: one<PassRow>(db, "SELECT * FROM passes WHERE id = :id AND kind = :kind"),
    /** Those that open something of a Gitspace of its owner. */
    ofGitspace: all<PassRow>(
      db,
      `SELECT * FROM passes p WHERE owner = :owner AND ended IS NULL AND expires_at > :at
         AND (gitspaces IS NULL OR EXISTS (SELECT 1 FROM json_each(p.gitspaces) WHERE value = :gitspace)) ORDER BY created, id`,
    ),
    tokensOf: all<PassRow>(
      db,
      "SELECT * FROM passes WHERE kind = 'token' AND owner = :owner AND ended IS NULL AND expires_at > :at ORDER BY created, id",
    ),
    madeWith: all<PassRow>(db, "SELECT * FROM passes WHERE made_with = :token AND ended IS NULL"),
    end: run(db, "UPDATE passes SET ended = :at WHERE id = :id AND ended IS NULL"),
    endExpired: run(db, "UPDATE passes SET ended = expires_at WHERE ended IS NULL AND expires_at <= :at"),
    /** Adds up what was done with it; gives 0 for a pass that is not known. */
    used: run(
      db,
      "UPDATE passes SET requests = requests + :requests, last_used = max(coalesce(last_used, 0), :at) WHERE id = :id",
    ),
    noteUse: run(db, "INSERT INTO pass_uses VALUES (:id, :gitspace, :port, :address, :requests, :at)"),
    /** The newest first. */
    uses: all<PassUseRow>(
      db,
      "SELECT gitspace, port, address, requests, at FROM pass_uses WHERE pass = :id ORDER BY at DESC LIMIT 1000",
    ),
    removeBefore: run(db, "DELETE FROM passes WHERE coalesce(ended, expires_at) < :at"),
    removeUsesBefore: run(db, "DELETE FROM pass_uses WHERE at < :at"),
    /** The ids of a person's Gitspaces. */
    gitspacesOf: all<{ id: string }>(db, "SELECT id FROM gitspaces WHERE owner = :owner AND deleted IS NULL"),
  };
}
