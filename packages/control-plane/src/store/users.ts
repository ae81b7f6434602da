// People, the three things that prove who somebody is (tokens, sessions and sign-in links; only hashes are stored), and the
// visits to Gitspaces that a session led to.
import type { DatabaseSync } from "node:sqlite";
import { all, one, run } from "./query.ts";

export type UserRow = {
  identifier: string;
  display_name: string;
  email: string;
  role: "admin" | "user";
  organisation: string;
  created: number;
};

export type TokenRow = {
  identifier: string;
  name: string;
  user: string;
  hash: string;
  created: number;
  expires_at: number;
  last_used: number | null;
};

/** `token` is the personal token at its root: when that is revoked, what came of it ends too. */
export type LinkRow = { hash: string; user: string; gitspace: string | null; expires_at: number; token: string | null };
export type SessionRow = { hash: string; user: string; token: string | null };
/** A session on a Gitspace's host; its id is that of the code which began it. */
export type VisitRow = { id: string; session: string; user: string; at: number };

export function openUsers(db: DatabaseSync) {
  return {
    get: one<UserRow>(db, "SELECT * FROM users WHERE identifier = :identifier"),
    list: all<UserRow>(db, "SELECT * FROM users ORDER BY identifier"),
    /** Changes nothing when the identifier is taken. */
    add: run(
      db,
      `INSERT INTO users VALUES (:identifier, :display_name, :email, :role, :organisation, :created) ON CONFLICT DO NOTHING`,
    ),
  };
}

export function openTokens(db: DatabaseSync) {
  return {
    byHash: one<TokenRow>(db, "SELECT * FROM tokens WHERE hash = :hash"),
    get: one<TokenRow>(db, "SELECT * FROM tokens WHERE identifier = :identifier"),
    ofUser: all<TokenRow>(db, "SELECT * FROM tokens WHERE user = :user ORDER BY created, identifier"),
    /** Replaces the token of this identifier. */
    put: run(
      db,
      `INSERT INTO tokens VALUES (:identifier, :name, :user, :hash, :created, :expires_at, NULL)
       ON CONFLICT (identifier) DO UPDATE SET hash = excluded.hash, expires_at = excluded.expires_at`,
    ),
    used: run(db, "UPDATE tokens SET last_used = :at WHERE identifier = :identifier"),
    remove: run(db, "DELETE FROM tokens WHERE identifier = :identifier"),
  };
}

export function openSessions(db: DatabaseSync) {
  return {
    get: one<SessionRow>(db, "SELECT hash, user, token FROM sessions WHERE hash = :hash AND expires_at > :at"),
    ofToken: all<SessionRow>(db, "SELECT hash, user, token FROM sessions WHERE token = :token"),
    add: run(db, "INSERT INTO sessions VALUES (:hash, :user, :created, :expires_at, :token)"),
    remove: run(db, "DELETE FROM sessions WHERE hash = :hash"),
    removeExpired: run(db, "DELETE FROM sessions WHERE expires_at <= :at"),
  };
}

export function openLinks(db: DatabaseSync) {
  return {
    add: run(db, "INSERT INTO links VALUES (:hash, :user, :gitspace, :expires_at, :token)"),
    /** Gives the link and forgets it, so that it opens once. */
    spend: one<LinkRow>(db, "DELETE FROM links WHERE hash = :hash RETURNING *"),
    removeOfToken: run(db, "DELETE FROM links WHERE token = :token"),
    removeExpired: run(db, "DELETE FROM links WHERE expires_at <= :at"),
  };
}

export function openVisits(db: DatabaseSync) {
  return {
    add: run(db, "INSERT INTO visits VALUES (:id, :session, :user, :at)"),
    ofSession: all<VisitRow>(db, "SELECT * FROM visits WHERE session = :session"),
    removeOfSession: run(db, "DELETE FROM visits WHERE session = :session"),
    removeBefore: run(db, "DELETE FROM visits WHERE at < :at"),
  };
}
