// The stream every gateway follows: the newest access document of each Gitspace and all revocations, in one order of versions.
import type { DatabaseSync } from "node:sqlite";
import { all, one, run } from "./query.ts";

export type AccessRow = { version: number; kind: "access" | "revocation"; gitspace: string | null; body: string };

export function openAccess(db: DatabaseSync) {
  const forget = run(db, "DELETE FROM access WHERE gitspace = :gitspace");
  const reserve = one<{ version: number }>(
    db,
    "INSERT INTO access (kind, gitspace, body) VALUES (:kind, :gitspace, '') RETURNING version",
  );
  const fill = run(db, "UPDATE access SET body = :body WHERE version = :version");
  return {
    /** Puts what `body` makes of its version at the end of the stream; an older document of the same Gitspace leaves it. */
    append(kind: AccessRow["kind"], gitspace: string | null, body: (version: number) => unknown): number {
      if (gitspace !== null) forget({ gitspace });
      const { version } = reserve({ kind, gitspace }) as { version: number };
      fill({ version, body: JSON.stringify(body(version)) });
      return version;
    },
    after: all<AccessRow>(db, "SELECT * FROM access WHERE version > :version ORDER BY version LIMIT 500"),
    /** Forgets revocations of sessions that have long ended by themselves. */
    removeRevocationsBefore: run(
      db,
      "DELETE FROM access WHERE kind = 'revocation' AND json_extract(body, '$.before') < :at",
    ),
    ofGitspace: one<AccessRow>(db, "SELECT * FROM access WHERE gitspace = :gitspace"),
  };
}

export function openGateways(db: DatabaseSync) {
  return {
    health: run(
      db,
      `INSERT INTO gateways (name, version, healthy, at, ssh) VALUES (:name, :version, :healthy, :at, :ssh)
       ON CONFLICT (name) DO UPDATE SET version = excluded.version, healthy = excluded.healthy, at = excluded.at, ssh = excluded.ssh`,
    ),
    list: all<{ name: string; version: string; healthy: number; at: number; ssh: string | null }>(
      db,
      "SELECT * FROM gateways ORDER BY name",
    ),
    /** Takes a batch of activity; 0 when it is the last one that this gateway brought already. */
    takeBatch: run(db, "UPDATE gateways SET batch = :batch WHERE name = :name AND batch IS NOT :batch"),
    wake: run(
      db,
      "INSERT INTO wakes VALUES (:gitspace, :user, :at) ON CONFLICT (gitspace, user) DO UPDATE SET at = excluded.at",
    ),
    wakes: all<{ gitspace: string; user: string; at: number }>(db, "SELECT * FROM wakes ORDER BY at"),
  };
}
