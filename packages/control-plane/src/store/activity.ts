// The ledger of use: bytes by real clients, per Gitspace, hour, source and port. A row per hour keeps it small.
import type { ActivitySource } from "@gitspaces/contracts";
import type { DatabaseSync } from "node:sqlite";
import { all, run } from "./query.ts";

export type ActivityRow = {
  source: ActivitySource;
  port: number;
  bytes: number;
  last_moved: number;
  last_active: number | null;
};

const HOUR_MS = 3_600_000;

export function openActivity(db: DatabaseSync) {
  const add = run(
    db,
    `INSERT INTO activity VALUES (:gitspace, :hour, :source, :port, :bytes, :at, :active)
     ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes, last_moved = max(last_moved, excluded.last_moved),
       last_active = nullif(max(coalesce(last_active, 0), coalesce(excluded.last_active, 0)), 0)`,
  );
  return {
    /** Adds what moved in the minute that ended at `at` (milliseconds since the epoch). */
    add(
      gitspace: string,
      moved: { source: ActivitySource; port: number; bytes: number; active: boolean },
      at: number,
    ): void {
      const { source, port, bytes, active } = moved;
      add({ gitspace, hour: Math.floor(at / HOUR_MS), source, port, bytes, at, active: active ? at : null });
    },
    /** Sums per source and port, the latest use first. */
    since: all<ActivityRow>(
      db,
      `SELECT source, port, sum(bytes) AS bytes, max(last_moved) AS last_moved, max(last_active) AS last_active FROM activity
       WHERE gitspace = :gitspace AND last_moved > :after GROUP BY source, port
       ORDER BY coalesce(max(last_active), 0) DESC, max(last_moved) DESC`,
    ),
    removeBefore: run(db, "DELETE FROM activity WHERE last_moved < :at"),
  };
}
