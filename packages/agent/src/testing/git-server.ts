// A real git server over http: git's own http-backend behind a small HTTP server, with a part that wants a password.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

export type GitServer = AsyncDisposable & {
  origin: string;
  host: string;
  /** Requests so far, as `METHOD path`. */
  requests: string[];
  /** Holds answers back for this long, to catch a clone in the middle. */
  delayMs: number;
  /** So many requests are answered 503 first. */
  failures: number;
  /** Requests so far that came with credentials. */
  authorized: number;
};
export const GIT_USER = "ada";
export const GIT_PASSWORD = "correct/horse:battery@staple";

/** Puts the files of `from` into a repository that the server has under `name`. */
export function makeRepository(root: string, name: string, from: string): void {
  const work = join(root, "work", name);
  mkdirSync(work, { recursive: true });
  cpSync(from, work, { recursive: true });
  const git = (...args: string[]) =>
    execFileSync("git", ["-c", "user.name=Test", "-c", "user.email=test@example.com", ...args], {
      cwd: work,
      stdio: "pipe",
    });
  git("init", "--quiet", "--initial-branch=main");
  git("add", ".");
  git("commit", "--quiet", "--message=first");
  git("branch", "feature/one");
  git("clone", "--quiet", "--bare", work, join(root, "served", `${name}.git`));
}

/** Serves the repositories under `root`; those whose path begins with `/private/` want GIT_USER and GIT_PASSWORD. */
export async function startGitServer(root: string): Promise<GitServer> {
  const requests: string[] = [];
  const wanted = `Basic ${Buffer.from(`${GIT_USER}:${GIT_PASSWORD}`).toString("base64")}`;
  const state = { delayMs: 0, failures: 0, authorized: 0 };
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    if (request.headers.authorization !== undefined) state.authorized++;
    if (state.failures > 0) {
      state.failures--;
      response.writeHead(503).end();
      return;
    }
    if (request.url?.startsWith("/private/") === true && request.headers.authorization !== wanted) {
      response.writeHead(401, { "www-authenticate": 'Basic realm="git"' }).end("Authentication required");
      return;
    }
    setTimeout(() => backend(root, request, response), state.delayMs);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return Object.assign(state, {
    origin: `http://${host}`,
    host,
    requests,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  });
}

/** CGI (RFC 3875): the request in the environment and on stdin, the answer with its headers on stdout. */
function backend(root: string, request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? "/", "http://git");
  const child = spawn("git", ["http-backend"], {
    env: {
      PATH: process.env["PATH"],
      GIT_PROJECT_ROOT: join(root, "served"),
      GIT_HTTP_EXPORT_ALL: "1",
      PATH_INFO: url.pathname.replace(/^\/private/, ""),
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers["content-type"] ?? "",
      HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
      GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
      // Who proved who they are may push.
      ...(request.headers.authorization === undefined ? {} : { REMOTE_USER: GIT_USER }),
      GIT_CONFIG_COUNT: "1",
      GIT_CONFIG_KEY_0: "uploadpack.allowFilter",
      GIT_CONFIG_VALUE_0: "true",
    },
    stdio: ["pipe", "pipe", "ignore"],
  });
  child.stdin.on("error", () => {});
  request.pipe(child.stdin);
  let head = Buffer.alloc(0);
  const read = (chunk: Buffer) => {
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf("\r\n\r\n");
    if (end < 0) return;
    child.stdout.off("data", read);
    const lines = head.subarray(0, end).toString().split("\r\n");
    const headers = lines.map((line) => line.split(/: (.*)/, 2) as [string, string]);
    const status = Number(headers.find(([name]) => name === "Status")?.[1]?.slice(0, 3) ?? 200);
    response.writeHead(status, Object.fromEntries(headers.filter(([name]) => name !== "Status")));
    response.write(head.subarray(end + 4));
    child.stdout.pipe(response);
  };
  child.stdout.on("data", read);
}
