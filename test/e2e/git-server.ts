// Real git over http: `git http-backend` behind a small server, with repositories made for one test run.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** `root` is where `commitFiles` puts repositories for this server to serve. */
export type GitServer = { port: number; root: string } & AsyncDisposable;

const author = {
  GIT_AUTHOR_NAME: "Test",
  GIT_AUTHOR_EMAIL: "t@example.test",
  GIT_COMMITTER_NAME: "Test",
  GIT_COMMITTER_EMAIL: "t@example.test",
};

/**
 * Serves on every address of the machine: the system under test decides which Gitspaces may reach it. With a `token`, only
 * those who send it as the password, whatever their name.
 */
export async function startGitServer(token?: string): Promise<GitServer> {
  const root = mkdtempSync(join(tmpdir(), "git-"));
  const server = createServer((request, response) => {
    if (token !== undefined && passwordOf(request) !== token) {
      response.writeHead(401, { "www-authenticate": 'Basic realm="git"' }).end("A token is needed.\n");
    } else serve(root, request, response);
  });
  server.listen(0, "0.0.0.0");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    root,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
      rmSync(root, { recursive: true, force: true });
    },
  };
}

function passwordOf({ headers }: IncomingMessage): string | undefined {
  const [, encoded = ""] = /^basic (\S+)$/i.exec(headers.authorization ?? "") ?? [];
  const pair = Buffer.from(encoded, "base64").toString();
  return pair.includes(":") ? pair.slice(pair.indexOf(":") + 1) : undefined;
}

/** Makes a repository with these files on `main`, or adds a commit to it, and gives its path in a URL. */
export function commitFiles(root: string, name: string, files: Record<string, string>): string {
  const work = join(root, "work", name);
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", work, ...args], { env: { ...process.env, ...author }, stdio: "pipe" });
  mkdirSync(work, { recursive: true });
  git("init", "--quiet", "--initial-branch=main");
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(work, path)), { recursive: true });
    writeFileSync(join(work, path), text);
  }
  git("add", "--all");
  git("commit", "--quiet", "--message=Files");
  rmSync(join(root, `${name}.git`), { recursive: true, force: true });
  execFileSync("git", ["clone", "--quiet", "--bare", work, join(root, `${name}.git`)], { stdio: "pipe" });
  return `/${name}.git`;
}

/** Makes a repository of a folder's files, as they are, modes too. */
export function commitFolder(root: string, name: string, from: string): string {
  const work = join(root, "work", name);
  cpSync(from, work, { recursive: true });
  return commitFiles(root, name, {});
}

function serve(root: string, request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? "/", "http://git");
  const backend = spawn("git", ["http-backend"], {
    env: {
      PATH: process.env["PATH"],
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: "1",
      PATH_INFO: url.pathname,
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers["content-type"] ?? "",
      ...(request.headers["git-protocol"] === undefined
        ? {}
        : { GIT_PROTOCOL: String(request.headers["git-protocol"]) }),
      ...(request.headers["content-encoding"] === undefined
        ? {}
        : { HTTP_CONTENT_ENCODING: request.headers["content-encoding"] }),
    },
    stdio: ["pipe", "pipe", "ignore"],
  });
  request.pipe(backend.stdin).on("error", () => {});
  let head = Buffer.alloc(0);
  const onHead = (chunk: Buffer) => {
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf("\r\n\r\n");
    if (end < 0) return;
    backend.stdout.off("data", onHead);
    for (const line of head.subarray(0, end).toString().split("\r\n")) {
      const [name = "", value = ""] = line.split(/:\s*/, 2);
      if (name.toLowerCase() === "status") response.statusCode = Number.parseInt(value, 10);
      else response.setHeader(name, value);
    }
    response.write(head.subarray(end + 4));
    backend.stdout.pipe(response);
  };
  backend.stdout.on("data", onHead);
  backend.stdout.once("end", () => response.end());
}
