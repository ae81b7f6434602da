// A private git repository over http: git's own http-backend behind basic authentication, one CGI process per request.
import { spawn } from "node:child_process";
import { createHash, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";
import { readCgiHead } from "./cgi-head.ts";

export type GitServerOptions = {
  /** Bare repositories live here: `hello.git` is served as `/hello.git`. */
  folder: string;
  host: string;
  port: number;
  /** The password; any user name goes with it. */
  token: string;
};

/** Serves every bare repository of a folder, for cloning and pushing, to whoever knows the token. */
export async function startGitServer(
  options: GitServerOptions,
): Promise<{ port: number; url: (repository: string) => string } & AsyncDisposable> {
  const server = createServer((request, response) => {
    serve(request, response, options).catch((error: unknown) => {
      if (!response.headersSent) response.writeHead(500, { "content-type": "text/plain" });
      response.end(`${(error as Error).message}\n`);
    });
  });
  server.listen(options.port, options.host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: (repository) => `http://${options.host}:${port}/${repository}.git`,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      if (server.listening) await once(server, "close");
    },
  };
}

async function serve(request: IncomingMessage, response: ServerResponse, options: GitServerOptions): Promise<void> {
  if (!isAllowed(request.headers.authorization, options.token)) {
    response.writeHead(401, { "www-authenticate": 'Basic realm="Gitspaces sample"', "content-type": "text/plain" });
    response.end("A token is needed.\n");
    return;
  }
  const stopped = new AbortController();
  response.once("close", () => stopped.abort());
  const backend = spawn("git", ["http-backend"], {
    env: cgiVariables(request, options.folder),
    stdio: ["pipe", "pipe", "ignore"],
    signal: stopped.signal,
  });
  backend.once("error", () => undefined);
  // git may answer without reading the whole request; the broken pipe is then no error.
  pipeline(request, backend.stdin).catch(() => undefined);
  const { status, headers } = await readCgiHead(backend.stdout);
  response.writeHead(status, headers);
  await pipeline(backend.stdout, response);
}

/** Compares digests, so that the time taken tells nothing about the token. */
function isAllowed(authorization: string | undefined, token: string): boolean {
  const [scheme, encoded] = authorization?.split(" ") ?? [];
  if (scheme?.toLowerCase() !== "basic" || encoded === undefined) return false;
  const pair = Buffer.from(encoded, "base64").toString("utf8");
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(pair.slice(pair.indexOf(":") + 1)), digest(token));
}

/** The variables of RFC 3875 that git-http-backend reads. */
function cgiVariables(request: IncomingMessage, folder: string): NodeJS.ProcessEnv {
  const url = new URL(request.url ?? "/", "http://git");
  const header = (name: string) => request.headers[name]?.toString() ?? "";
  return {
    PATH: process.env["PATH"],
    GIT_PROJECT_ROOT: folder,
    GIT_HTTP_EXPORT_ALL: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    PATH_INFO: decodeURIComponent(url.pathname),
    QUERY_STRING: url.search.slice(1),
    REQUEST_METHOD: request.method,
    REMOTE_USER: "gitspaces",
    REMOTE_ADDR: request.socket.remoteAddress,
    CONTENT_TYPE: header("content-type"),
    CONTENT_LENGTH: header("content-length"),
    HTTP_CONTENT_ENCODING: header("content-encoding"),
    GIT_PROTOCOL: header("git-protocol"),
  };
}
