// The control plane's API, with the session cookie of this browser.

/** A refusal of the server: `message` for people, `status` and `code` for us. */
export class Refusal extends Error {
  constructor(message, status, code) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Sends a request under /api/v1 and gives the JSON of its answer. @throws {Refusal} with what the server says, status 0 when it is away. */
export async function call(method, path, body) {
  const headers = { accept: "application/json", ...(body === undefined ? {} : { "content-type": "application/json" }) };
  let response;
  try {
    response = await fetch(`/api/v1/${path}`, {
      method,
      headers,
      signal: AbortSignal.timeout(30_000),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch {
    throw new Refusal("The control plane does not answer. This page goes on when it does.", 0, "internal");
  }
  const text = await response.text();
  const answer = readJson(text);
  if (response.ok) return answer;
  throw new Refusal(
    answer?.detail ?? `The control plane answered ${response.status}.`,
    response.status,
    answer?.code ?? "internal",
  );
}

function readJson(text) {
  try {
    return text === "" ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

const one = (id) => `gitspaces/${encodeURIComponent(id)}`;

export const api = {
  signIn: (token) => call("POST", "session", { token }),
  signOut: () => call("DELETE", "session"),
  user: () => call("GET", "user"),
  /** Every Gitspace of this person, however many pages they fill; or those that are deleted and still kept. */
  async gitspaces({ deleted = false } = {}) {
    const found = new Map();
    for (let page = 1, more = true; more; page += 1) {
      const gitspaces = await call("GET", `gitspaces?deleted=${deleted}&page=${page}&limit=100`);
      more = gitspaces.length >= 100 && gitspaces.some(({ identifier }) => !found.has(identifier));
      for (const each of gitspaces) found.set(each.identifier, each);
    }
    return [...found.values()];
  },
  gitspace: (id) => call("GET", one(id)),
  create: (body) => call("POST", "gitspaces", body),
  act: (id, action) => call("POST", `${one(id)}/actions`, { action }),
  activity: (id) => call("GET", `${one(id)}/activity`),
  setAutoStop: (id, minutes) => call("PATCH", one(id), { auto_stop_minutes: minutes }),
  remove: (id) => call("DELETE", one(id)),
  sharing: (id) => call("GET", `${one(id)}/visibility`),
  setVisibility: (id, port, visibility) => call("PUT", `${one(id)}/visibility/${port}`, { visibility }),
  shares: (id) => call("GET", `${one(id)}/shares`),
  share: (id, body) => call("POST", `${one(id)}/shares`, body),
  unshare: (id, link) => call("DELETE", `${one(id)}/shares/${encodeURIComponent(link)}`),
  sshKeys: () => call("GET", "user/ssh-keys"),
  addSshKey: (line) => call("POST", "user/ssh-keys", { public_key: line.trim() }),
  removeSshKey: (id) => call("DELETE", `user/ssh-keys/${encodeURIComponent(id)}`),
  events: (id, page) => call("GET", `${one(id)}/events?page=${page}&limit=100`),
  logs: (id, after) => call("GET", `${one(id)}/logs?after=${after}`),
  allEventsPath: () => "/api/v1/events/stream",
  eventsPath: (id, after) => `/api/v1/${one(id)}/events/stream?after=${after}`,
  logsPath: (id, after) => `/api/v1/${one(id)}/logs/stream?after=${after}`,
};
