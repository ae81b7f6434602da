// The control plane's tables. A migration is never edited once it has been released; the next one goes below it.
export const migrations = [
  `
  CREATE TABLE users (
    identifier TEXT PRIMARY KEY, display_name TEXT NOT NULL, email TEXT NOT NULL, role TEXT NOT NULL,
    organisation TEXT NOT NULL, created INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE tokens (
    identifier TEXT PRIMARY KEY, name TEXT NOT NULL, user TEXT NOT NULL REFERENCES users, hash TEXT NOT NULL UNIQUE,
    created INTEGER NOT NULL, expires_at INTEGER NOT NULL, last_used INTEGER
  ) STRICT;

  CREATE TABLE sessions (
    hash TEXT PRIMARY KEY, user TEXT NOT NULL REFERENCES users, created INTEGER NOT NULL, expires_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE links (
    hash TEXT PRIMARY KEY, user TEXT NOT NULL REFERENCES users, gitspace TEXT, expires_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE gitspaces (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, owner TEXT NOT NULL REFERENCES users, repository TEXT NOT NULL, branch TEXT,
    devcontainer_path TEXT, ide TEXT NOT NULL, pool TEXT NOT NULL, secret BLOB, secret_user TEXT,
    generation INTEGER NOT NULL DEFAULT 0, instance TEXT, instances INTEGER NOT NULL DEFAULT 0,
    marked_for_deletion INTEGER NOT NULL DEFAULT 0, marked_for_reset INTEGER NOT NULL DEFAULT 0,
    marked_for_infra_reset INTEGER NOT NULL DEFAULT 0,
    action TEXT, phase TEXT, task TEXT, has_vm INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0, retry_at INTEGER,
    ports TEXT NOT NULL DEFAULT '[]', ports_at INTEGER NOT NULL DEFAULT 0,
    version INTEGER NOT NULL DEFAULT 0, created INTEGER NOT NULL, updated INTEGER NOT NULL, deleted INTEGER
  ) STRICT;
  CREATE INDEX gitspaces_of_owner ON gitspaces (owner) WHERE deleted IS NULL;
  CREATE INDEX gitspaces_by_version ON gitspaces (version);
  CREATE INDEX gitspaces_to_retry ON gitspaces (retry_at) WHERE retry_at IS NOT NULL;

  CREATE TABLE instances (
    id TEXT PRIMARY KEY, gitspace TEXT NOT NULL REFERENCES gitspaces, number INTEGER NOT NULL, state TEXT NOT NULL,
    error_message TEXT, error_code TEXT, last_used INTEGER, active_time_started INTEGER, active_time_ended INTEGER,
    total_time_used INTEGER NOT NULL DEFAULT 0, has_git_changes INTEGER, machine_user TEXT, folder TEXT, warm INTEGER,
    vm TEXT, agent_key TEXT, created INTEGER NOT NULL, updated INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX instances_of_gitspace ON instances (gitspace, number);

  CREATE TABLE actions (
    gitspace TEXT NOT NULL REFERENCES gitspaces, generation INTEGER NOT NULL, action TEXT NOT NULL, user TEXT,
    accepted INTEGER NOT NULL, finished INTEGER, outcome TEXT, failure TEXT,
    PRIMARY KEY (gitspace, generation)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE tasks (
    id TEXT PRIMARY KEY, type TEXT NOT NULL, gitspace TEXT NOT NULL REFERENCES gitspaces, instance TEXT, generation INTEGER NOT NULL,
    data TEXT NOT NULL, deadline INTEGER NOT NULL, created INTEGER NOT NULL, state TEXT NOT NULL, holder TEXT, acquired INTEGER,
    refused TEXT NOT NULL DEFAULT '[]', cancelled INTEGER NOT NULL DEFAULT 0, connected INTEGER NOT NULL DEFAULT 0,
    envelope TEXT, answer TEXT, outcome TEXT, answered INTEGER
  ) STRICT;
  CREATE INDEX tasks_open ON tasks (deadline) WHERE state <> 'answered';
  CREATE INDEX tasks_cancelled ON tasks (holder) WHERE cancelled = 1;
  CREATE INDEX tasks_of_gitspace ON tasks (gitspace, created);

  CREATE TABLE late_answers (task TEXT NOT NULL, at INTEGER NOT NULL, delegate TEXT NOT NULL, answer TEXT NOT NULL) STRICT;
  CREATE INDEX late_answers_of_task ON late_answers (task);

  CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, gitspace TEXT NOT NULL, instance TEXT, task TEXT, seq INTEGER, kind TEXT NOT NULL,
    message TEXT NOT NULL, at INTEGER NOT NULL, fields TEXT
  ) STRICT;
  CREATE UNIQUE INDEX events_once ON events (task, seq) WHERE seq IS NOT NULL;
  CREATE INDEX events_of_gitspace ON events (gitspace, id);

  CREATE TABLE logs (
    gitspace TEXT NOT NULL, pos INTEGER NOT NULL, task TEXT NOT NULL, seq INTEGER NOT NULL, out TEXT NOT NULL, time INTEGER NOT NULL,
    PRIMARY KEY (gitspace, pos)
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX logs_once ON logs (task, seq);

  CREATE TABLE delegates (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, tags TEXT NOT NULL, types TEXT NOT NULL, registered INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE access (
    version INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, gitspace TEXT, body TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX access_of_gitspace ON access (gitspace) WHERE gitspace IS NOT NULL;

  CREATE TABLE gateways (
    name TEXT PRIMARY KEY, version TEXT NOT NULL, healthy INTEGER NOT NULL, at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE wakes (gitspace TEXT NOT NULL, user TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (gitspace, user)) STRICT;

  CREATE TABLE creations (
    user TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL, gitspace TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (user, key)
  ) STRICT;
  `,
  `
  ALTER TABLE sessions ADD COLUMN token TEXT;
  ALTER TABLE links ADD COLUMN token TEXT;

  CREATE TABLE visits (
    id TEXT PRIMARY KEY, session TEXT NOT NULL, user TEXT NOT NULL, at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX visits_of_session ON visits (session);
  `,
  `
  ALTER TABLE gitspaces ADD COLUMN purge_at INTEGER;
  `,
  `
  CREATE INDEX tasks_offered ON tasks (created, id) WHERE state = 'offered';
  CREATE INDEX tasks_acquired ON tasks (holder) WHERE state = 'acquired';
  `,
  `
  ALTER TABLE gitspaces ADD COLUMN clone_depth INTEGER;
  ALTER TABLE gitspaces ADD COLUMN clone_filter TEXT;
  `,
  `
  CREATE TABLE ssh_keys (
    identifier TEXT PRIMARY KEY, user TEXT NOT NULL REFERENCES users, name TEXT NOT NULL, type TEXT NOT NULL,
    fingerprint TEXT NOT NULL, public_key TEXT NOT NULL, created INTEGER NOT NULL,
    UNIQUE (user, public_key)
  ) STRICT;
  ALTER TABLE gateways ADD COLUMN ssh TEXT;
  `,
  `
  ALTER TABLE gitspaces ADD COLUMN auto_stop_minutes INTEGER;
  ALTER TABLE gateways ADD COLUMN batch TEXT;

  CREATE TABLE activity (
    gitspace TEXT NOT NULL, hour INTEGER NOT NULL, source TEXT NOT NULL, port INTEGER NOT NULL, bytes INTEGER NOT NULL,
    last_moved INTEGER NOT NULL, last_active INTEGER,
    PRIMARY KEY (gitspace, hour, source, port)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE TABLE port_visibility (
    gitspace TEXT NOT NULL REFERENCES gitspaces, port INTEGER NOT NULL, visibility TEXT NOT NULL, PRIMARY KEY (gitspace, port)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE passes (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, owner TEXT NOT NULL REFERENCES users, made_by TEXT NOT NULL,
    made_with TEXT, gitspaces TEXT, ports TEXT, path TEXT NOT NULL, methods TEXT, key TEXT NOT NULL, created INTEGER NOT NULL,
    expires_at INTEGER NOT NULL, ended INTEGER, requests INTEGER NOT NULL DEFAULT 0, last_used INTEGER
  ) STRICT;
  CREATE INDEX passes_of_owner ON passes (owner) WHERE ended IS NULL;

  CREATE TABLE pass_uses (
    pass TEXT NOT NULL, gitspace TEXT NOT NULL, port INTEGER NOT NULL, address TEXT NOT NULL, requests INTEGER NOT NULL,
    at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX pass_uses_of_pass ON pass_uses (pass, at);

  CREATE TABLE sharing_policy (id INTEGER PRIMARY KEY CHECK (id = 1), most_visible TEXT NOT NULL) STRICT;
  `,
];
