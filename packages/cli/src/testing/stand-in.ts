// A small control plane for tests of its clients: real HTTP on a free port, Gitspaces that start by a script of events.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import {
  CreateGitspace,
  CreateToken,
  CreateUser,
  fail,
  type Gitspace,
  type GitspaceEvent,
  type LogLine,
  makeGitspaceId,
  parse,
  slugify,
  toFailure,
  toProblem,
} from "@gitspaces/contracts";
import { scripts, type Step } from "./scripts.ts";

export const TOKEN = "gst_standin";

export type StandInOptions = {
  /** Milliseconds between two steps of a script. */
  stepMs?: number;
  /** A folder served as the page. */
  page?: string;
  port?: number;
};

type Kept = { gitspace: Gitspace; events: GitspaceEvent[]; logs: LogLine[] };
type Listener = { id: string | undefined; kind: "events" | "logs"; response: ServerResponse };

export type StandIn = Awaited<ReturnType<typeof startStandIn>>;

/** Starts the stand-in. What it was asked is in `requests`; `breakStreams` cuts every event stream; `hold` keeps starts from ending. */
export async function startStandIn({ stepMs = 5, page, port = 0 }: StandInOptions = {}) {
  const kept = new Map<string, Kept>();
  const listeners = new Set<Listener>();
  const timers = new Set<NodeJS.Timeout>();
  const requests: { method: string; path: string; lastEventId: string | undefined; body: unknown }[] = [];
  const tokens = [token("tok-1", "laptop")];
  let sequence = 0;
  let url = "";

  function tell(listener: Listener, event: string, data: unknown, id?: number): void {
    listener.response.write(
      `${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`,
    );
  }
  function announce(id: string, kind: Listener["kind"], event: string, data: unknown, sequenceId?: number): void {
    for (const each of listeners) if (each.kind === kind && (each.id ?? id) === id) tell(each, event, data, sequenceId);
  }
  function setState(one: Kept, state: Gitspace["state"], error?: Step["fails"]): void {
    const now = Date.now();
    one.gitspace = { ...one.gitspace, state, updated: now, instance: instance(now, state, error ?? null) };
    announce(one.gitspace.identifier, "events", "state", one.gitspace);
  }
  function take(one: Kept, step: Step): void {
    const id = one.gitspace.identifier;
    if (step.log !== undefined) {
      const line = { pos: one.logs.length + 1, out: step.log, time: Date.now(), task_id: null };
      one.logs.push(line);
      announce(id, "logs", "log_line_appended", { pos: line.pos, out: line.out, time: line.time }, line.pos);
    }
    if (step.event !== undefined) {
      sequence += 1;
      const event: GitspaceEvent = {
        id: sequence,
        event: step.event,
        gitspace_identifier: id,
        instance_identifier: null,
        task_id: null,
        message: step.message ?? "",
        timestamp: Date.now(),
        fields: null,
      };
      one.events.push(event);
      // The state goes first: clients must not lose the event behind it.
      if (step.state !== undefined) setState(one, step.state, step.fails);
      announce(id, "events", "timeline", event, sequence);
    } else if (step.state !== undefined) setState(one, step.state, step.fails);
    if (step.removes === true) {
      kept.delete(id);
      announce(id, "events", "deleted", { identifier: id });
      for (const each of listeners) if (each.id === id) each.response.end();
    }
  }
  function play(one: Kept, steps: readonly Step[]): void {
    const [step, ...rest] = steps;
    if (step === undefined || standIn.held.has(one.gitspace.identifier)) return;
    take(one, step);
    const timer = setTimeout(() => (timers.delete(timer), play(one, rest)), stepMs * (step.weight ?? 1));
    timers.add(timer);
  }
  function act(one: Kept, action: string): Gitspace {
    one.gitspace = { ...one.gitspace, generation: one.gitspace.generation + 1 };
    const failing = /missing/.test(one.gitspace.code_repo_url);
    if (action === "start") {
      setState(one, "starting");
      if (/holding/.test(one.gitspace.code_repo_url)) return one.gitspace;
      play(one, failing ? scripts.failingStart : scripts.start);
    } else if (action === "stop") {
      if (one.gitspace.state !== "running") throw fail("conflict", `${one.gitspace.identifier} is not running.`);
      setState(one, "stopping");
      play(one, scripts.stop);
    } else {
      setState(one, "stopping");
      play(one, scripts.remove);
    }
    return one.gitspace;
  }
  function find(id: string | undefined): Kept {
    const one = kept.get(id ?? "");
    if (one === undefined) throw fail("not_found", `There is no Gitspace ${id}.`);
    return one;
  }
  function stream(request: IncomingMessage, response: ServerResponse, kind: Listener["kind"], id?: string): void {
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" }).write(": hello\n\n");
    const listener = { id, kind, response };
    listeners.add(listener);
    response.on("close", () => listeners.delete(listener));
    const query = new URL(request.url ?? "/", url).searchParams.get("after");
    const after = Number(request.headers["last-event-id"] ?? query ?? (id === undefined ? sequence : 0));
    const all = [...kept.values()].filter((each) => id === undefined || each.gitspace.identifier === id);
    if (kind === "logs") {
      for (const { pos, out, time } of kept.get(id ?? "")?.logs ?? [])
        if (pos > after) tell(listener, "log_line_appended", { pos, out, time }, pos);
    } else {
      for (const one of all)
        for (const event of one.events) if (event.id > after) tell(listener, "timeline", event, event.id);
    }
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? "/", url);
    if (!pathname.startsWith("/api/v1/")) return servePage(pathname, response, page);
    const method = request.method ?? "GET";
    const body = method === "POST" ? await json(request).catch(() => undefined) : undefined;
    const path = pathname.slice("/api/v1/".length);
    requests.push({ method, path, lastEventId: request.headers["last-event-id"] as string | undefined, body });
    const send = (status: number, value?: unknown): void => {
      response
        .writeHead(status, { "content-type": "application/json" })
        .end(value === undefined ? undefined : JSON.stringify(value));
    };
    if (path === "session") {
      if (method === "DELETE")
        return void response.writeHead(204, { "set-cookie": "standin=; Max-Age=0; Path=/" }).end();
      if ((body as { token?: string })?.token !== TOKEN)
        throw Object.assign(fail("denied", "This token is not known."), { status: 401 });
      return void response.writeHead(204, { "set-cookie": `standin=${TOKEN}; Path=/; HttpOnly; SameSite=Lax` }).end();
    }
    const authorized =
      request.headers.authorization === `Bearer ${TOKEN}` || request.headers.cookie?.includes(`standin=${TOKEN}`);
    if (authorized !== true) throw Object.assign(fail("denied", "Sign in first."), { status: 401 });

    const [room, id, part, last] = path.split("/");
    if (room === "user") return send(200, user("ada", "Ada Lovelace"));
    if (room === "users" && method === "POST") {
      const { identifier, display_name } = parse(CreateUser, body, "user");
      return send(201, user(identifier, display_name));
    }
    if (room === "tokens" && method === "POST") {
      const { name, user_identifier } = parse(CreateToken, body, "token");
      if (user_identifier === "root") throw fail("denied", "Only an administrator may make a token for root.");
      return send(201, { ...token("tok-2", name), token: "gst_new" });
    }
    if (room === "tokens" && method === "DELETE") {
      if (!tokens.some(({ identifier }) => identifier === id)) throw fail("not_found", `There is no token ${id}.`);
      return send(204);
    }
    if (room === "tokens") return send(200, tokens);
    if (room === "events") return stream(request, response, "events");
    if (room === "sign-in-links") {
      const to = (body as { gitspace_identifier: string }).gitspace_identifier;
      return send(201, { sign_in_url: `${url}/sign-in/${to}?link=1`, expires_at: Date.now() + 600_000 });
    }
    if (room !== "gitspaces") throw fail("not_found", "There is nothing here.");
    if (id === undefined && method === "POST") return send(201, create(parse(CreateGitspace, body, "Gitspace")));
    if (id === undefined)
      return send(
        200,
        [...kept.values()].map(({ gitspace }) => gitspace),
      );
    const one = find(id);
    if (part === "actions") return send(200, act(one, (body as { action: string }).action));
    if (part === "events" && last === "stream") return stream(request, response, "events", id);
    if (part === "events") {
      // Newest page first, as the real one has it.
      const [number, limit] = [Number(searchParams.get("page") ?? 1), Number(searchParams.get("limit") ?? 100)];
      return send(200, one.events.toReversed().slice((number - 1) * limit, number * limit));
    }
    if (part === "logs" && last === "stream") return stream(request, response, "logs", id);
    if (part === "logs") {
      const after = Number(searchParams.get("after") ?? 0);
      return send(200, one.logs.filter(({ pos }) => pos > after).slice(0, 50));
    }
    if (method === "DELETE") {
      act(one, "delete");
      return send(204);
    }
    return send(200, one.gitspace);
  }

  function create(asked: ReturnType<typeof CreateGitspace.parse>): Gitspace {
    const name =
      asked.name ??
      slugify(
        asked.code_repo_url
          .split("/")
          .at(-1)
          ?.replace(/\.git$/, "") ?? "gitspace",
      );
    const identifier = makeGitspaceId(name, (size) => crypto.getRandomValues(new Uint8Array(size)));
    const now = Date.now();
    const gitspace: Gitspace = {
      identifier,
      name,
      state: "uninitialized",
      ide: "vs_code_web",
      code_repo_url: asked.code_repo_url,
      branch: asked.branch ?? null,
      devcontainer_path: null,
      resource_identifier: asked.resource_identifier ?? "default",
      user_id: "ada",
      user_display_name: "Ada Lovelace",
      generation: 0,
      created: now,
      updated: now,
      url: `http://${identifier}.gitspaces.localhost:7401`,
      instance: null,
    };
    kept.set(identifier, { gitspace, events: [], logs: [] });
    return gitspace;
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      const problem = toProblem(toFailure(error));
      response.writeHead((error as { status?: number }).status ?? problem.status, {
        "content-type": "application/problem+json",
      });
      response.end(JSON.stringify(problem));
    });
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  url = `http://localhost:${(server.address() as AddressInfo).port}`;

  const standIn = {
    url,
    requests,
    held: new Set<string>(),
    create,
    find: (id: string): Kept => find(id),
    act: (id: string, action: string): Gitspace => act(find(id), action),
    take: (id: string, step: Step): void => take(find(id), step),
    breakStreams: (): void => listeners.forEach(({ response }) => response.destroy()),
    listening: (): number => listeners.size,
    async [Symbol.asyncDispose](): Promise<void> {
      for (const timer of timers) clearTimeout(timer);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return standIn;
}

const types: Record<string, string> = {
  js: "text/javascript",
  css: "text/css",
  html: "text/html",
  svg: "image/svg+xml",
};

async function servePage(pathname: string, response: ServerResponse, page: string | undefined): Promise<void> {
  if (page === undefined) throw fail("not_found", "There is no page here.");
  const file = /^\/[a-z-]+\.(js|css|svg)$/.test(pathname) ? pathname.slice(1) : "index.html";
  const content = await readFile(join(page, file));
  const type = types[file.split(".").at(-1) ?? ""] ?? "text/plain";
  response
    .writeHead(200, { "content-type": `${type}; charset=utf-8`, "content-security-policy": "default-src 'self'" })
    .end(content);
}

function user(identifier: string, display_name: string) {
  return { identifier, display_name, email: `${identifier}@example.com`, role: "admin", created: 1_795_000_000_000 };
}

function token(identifier: string, name: string) {
  return {
    identifier,
    name,
    user_identifier: "ada",
    created: 1_795_000_000_000,
    expires_at: 1_800_000_000_000,
    last_used: null,
  };
}

function instance(now: number, state: string, error: { code: string; message: string } | null): Gitspace["instance"] {
  return {
    identifier: "instance-1",
    state,
    url: null,
    error_message: error?.message ?? null,
    error_code: error?.code ?? null,
    last_used: now,
    active_time_started: now,
    active_time_ended: null,
    total_time_used: 0,
    has_git_changes: null,
    machine_user: null,
    warm: true,
    created: now,
    updated: now,
  };
}
