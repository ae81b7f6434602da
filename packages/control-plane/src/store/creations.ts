// Which Gitspace an Idempotency-Key made, so that a repeated request answers it instead of making another.
import type { DatabaseSync } from "node:sqlite";
import { one, run } from "./query.ts";

export function openCreations(db: DatabaseSync) {
  return {
    get: one<{ digest: string; gitspace: string }>(
      db,
      "SELECT digest, gitspace FROM creations WHERE user = :user AND key = :key",
    ),
    add: run(db, "INSERT INTO creations VALUES (:user, :key, :digest, :gitspace, :at)"),
    removeBefore: run(db, "DELETE FROM creations WHERE at < :before"),
  };
}
