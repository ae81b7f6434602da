// Delegates as they registered. When one was last heard of is kept in memory: it means nothing after a restart.
import type { DatabaseSync } from "node:sqlite";
import { all, one, run } from "./query.ts";

export type DelegateRow = { id: string; name: string; tags: string; types: string; registered: number };

export function openDelegates(db: DatabaseSync) {
  return {
    get: one<DelegateRow>(db, "SELECT * FROM delegates WHERE id = :id"),
    list: all<DelegateRow>(db, "SELECT * FROM delegates ORDER BY name, id"),
    put: run(
      db,
      `INSERT INTO delegates VALUES (:id, :name, :tags, :types, :at)
       ON CONFLICT (id) DO UPDATE SET name = excluded.name, tags = excluded.tags, types = excluded.types`,
    ),
  };
}
