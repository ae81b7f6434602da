// Public keys that people log in with over SSH.
import type { DatabaseSync } from "node:sqlite";
import { all, one, run } from "./query.ts";

export type SshKeyRow = {
  identifier: string;
  user: string;
  name: string;
  type: string;
  fingerprint: string;
  /** Type and base64. */
  public_key: string;
  created: number;
};

export function openSshKeys(db: DatabaseSync) {
  return {
    get: one<SshKeyRow>(db, "SELECT * FROM ssh_keys WHERE identifier = :identifier"),
    ofUser: all<SshKeyRow>(db, "SELECT * FROM ssh_keys WHERE user = :user ORDER BY created, identifier"),
    add: run(db, "INSERT INTO ssh_keys VALUES (:identifier, :user, :name, :type, :fingerprint, :public_key, :created)"),
    remove: run(db, "DELETE FROM ssh_keys WHERE identifier = :identifier"),
  };
}
