// A small control plane for tests of its clients: real HTTP on a free port, Gitspaces that start by a script.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import {
  ChangeGitspace,
  CreateGitspace,
  CreateToken,
  CreateUser,
  type Gitspace,
  type GitspaceActivity,
  fail,
  parse,
  toFailure,
  toProblem,
} from "@gitspaces/contracts";
import { type Announcement, makePlayer } from "./script-player.ts";
import { keepSshKeys } from "./ssh-keys.ts";

import { sharingAnswers } from "./sharing-answers.ts";

export const TOKEN = "gst_standin";
export const HOST_KEY = "ssh-ed25519 AAAAhostkey";

type Listener = { id: string; of: Announcement["of"]; response: ServerResponse };
type Asked = { method: string; path: string; query: URLSearchParams; lastEventId: string | undefined; body: unknown };
export type StandIn = Awaited<ReturnType<typeof startStandIn>>;

/** Starts the stand-in. `requests` is what it was asked; `breakStreams` cuts every stream, `drop` each next request for
 * one of these paths; `take` makes something happen. */
export async function startStandIn({
  stepMs = 5,
  gateway = "http://gitspaces.localhost:7401",
}: {
  stepMs?: number;
  gateway?: string;
} = {}) {
  const listeners = new Set<Listener>();
  const requests: Asked[] = [];
  let dropped: string[] = [];
  const tokens = [token("tok-1", "laptop")];
  const sshKeys = keepSshKeys();
  const sharing = sharingAnswers();
  let url = "";

  const player = makePlayer(stepMs, (announcement) => {
    const { id, of, event, data, sequence } = announcement;
    for (const each of listeners) if (each.id === id && each.of === of) tell(each.response, event, data, sequence);
    if (event === "deleted") for (const each of listeners) if (each.id === id) each.response.end();
  });

  function stream(asked: Asked, response: ServerResponse, of: Listener["of"], id: string): void {
    const { gitspace, events, logs } = player.find(id);
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" }).write(": hello\n\n");
    const listener = { id, of, response };
    listeners.add(listener);
    response.on("close", () => listeners.delete(listener));
    const after = Number(asked.lastEventId ?? asked.query.get("after") ?? 0);
    if (of === "logs") {
      for (const line of logs.filter(({ pos }) => pos > after)) tell(response, "log_line_appended", line, line.pos);
      return;
    }
    for (const event of events.filter((each) => each.id > after)) tell(response, "timeline", event, event.id);
    tell(response, "state", gitspace);
  }

  /** The answer's status and body, or nothing when it is a stream. */
  function answer(asked: Asked, response: ServerResponse): [status: number, body?: unknown] | undefined {
    const { method, path, query, body } = asked;
    const [room, id, part, last] = path.split("/");
    switch (`${method} ${room}`) {
      case "GET user":
        if (id !== undefined) break;
        return [200, user("ada", "Ada Lovelace")];
      case "POST users": {
        const { identifier, display_name } = parse(CreateUser, body, "user");
        return [201, user(identifier, display_name)];
      }
      case "GET tokens":
        return [200, tokens];
      case "POST tokens": {
        const { name, user_identifier } = parse(CreateToken, body, "token");
        if (user_identifier === "root") throw fail("denied", "Only an administrator may make a token for root.");
        return [201, { ...token("tok-2", name), token: "gst_new" }];
      }
      case "DELETE tokens":
        if (tokens.every(({ identifier }) => identifier !== id)) throw fail("not_found", `There is no token ${id}.`);
        return [204];
      case "POST sign-in-links": {
        const { gitspace_identifier: to } = body as { gitspace_identifier: string };
        return [201, { sign_in_url: `${url}/sign-in/${to}?link=1`, expires_at: Date.now() + 600_000 }];
      }
      case "GET ssh":
        return [200, { host: "gitspaces.localhost", port: 7402, url: gateway, host_keys: [HOST_KEY] }];
      default:
    }
    if (path.startsWith("user/ssh-keys")) return sshKeys.answer(method, part, body);
    const shared = sharing.answer(asked);
    if (shared !== undefined) return shared;
    if (room !== "gitspaces") throw fail("not_found", "There is nothing here.");
    const page = <T>(items: T[]): T[] => {
      const [number, limit] = [Number(query.get("page") ?? 1), Number(query.get("limit") ?? 30)];
      return items.slice((number - 1) * limit, number * limit);
    };
    if (id === undefined) {
      if (method === "POST") return [201, player.create(parse(CreateGitspace, body, "Gitspace"))];
      const deleted = query.get("deleted") === "true";
      const all = player.all().map(({ gitspace }) => gitspace);
      return [200, page(all.filter(({ state }) => (state === "deleted") === deleted))];
    }
    const one = player.find(id);
    if (method === "PATCH") return [200, Object.assign(one.gitspace, parse(ChangeGitspace, body, "change"))];
    if (part === "activity") return [200, activity(one.gitspace)];
    if (part === "actions") return [200, player.act(id, (body as { action: string }).action)];
    if (last === "stream") {
      stream(asked, response, part === "logs" ? "logs" : "events", id);
      return undefined;
    }
    if (part === "events") return [200, page(one.events.toReversed())];
    if (part === "logs") return [200, one.logs.filter(({ pos }) => pos > Number(query.get("after") ?? 0)).slice(0, 50)];
    if (method === "DELETE") player.act(id, "delete");
    return method === "DELETE" ? [204] : [200, one.gitspace];
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams: query } = new URL(request.url ?? "/", url);
    const method = request.method ?? "GET";
    const body = ["POST", "PATCH", "PUT"].includes(method) ? await json(request) : undefined;
    const path = pathname.replace(/^\/api\/v1\//, "");
    const lastEventId = request.headers["last-event-id"];
    const asked = { method, path, query, lastEventId: typeof lastEventId === "string" ? lastEventId : undefined, body };
    requests.push(asked);
    if (dropped.includes(path)) {
      dropped = dropped.filter((each) => each !== path);
      return void response.destroy();
    }
    if (request.headers.authorization !== `Bearer ${TOKEN}`) {
      const problem = { ...toProblem(toFailure(fail("denied", "Sign in first."))), status: 401 };
      return void response.writeHead(401, { "content-type": "application/problem+json" }).end(JSON.stringify(problem));
    }
    const answered = answer(asked, response);
    if (answered === undefined) return;
    const [status, said] = answered;
    response.writeHead(status, { "content-type": "application/json" });
    response.end(said === undefined ? undefined : JSON.stringify(said));
  }

  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => {
      const problem = toProblem(toFailure(error));
      response.writeHead(problem.status, { "content-type": "application/problem+json" }).end(JSON.stringify(problem));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://localhost:${(server.address() as AddressInfo).port}`;
  return {
    url,
    requests,
    create: player.create,
    find: player.find,
    act: player.act,
    take: player.take,
    drop: (...paths: string[]): void => void (dropped = paths),
    breakStreams: (): void => listeners.forEach(({ response }) => response.destroy()),
    listening: (): number => listeners.size,
    async [Symbol.asyncDispose](): Promise<void> {
      player.stop();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function tell(response: ServerResponse, event: string, data: unknown, id?: number): void {
  response.write(`${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}

/** As if a browser had been used two minutes ago, and an SSH session only kept itself alive. */
function activity({ auto_stop_minutes: minutes }: Gitspace): GitspaceActivity {
  const used = Date.now() - 2 * 60_000;
  return {
    last_used: used,
    auto_stop_minutes: minutes,
    stops_at: minutes === null ? null : used + minutes * 60_000,
    entries: [
      { source: "websocket", port: 8089, bytes: 5_242_880, last_moved: used, last_active: used },
      { source: "ssh", port: 8022, bytes: 900, last_moved: used, last_active: null },
    ],
  };
}

function user(identifier: string, display_name: string) {
  return { identifier, display_name, email: `${identifier}@example.com`, role: "admin", created: 1_795_000_000_000 };
}

function token(identifier: string, name: string) {
  const times = { created: 1_795_000_000_000, expires_at: 1_800_000_000_000, last_used: null };
  return { identifier, name, user_identifier: "ada", ...times };
}
