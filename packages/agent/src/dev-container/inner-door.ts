// The one way from a dev container to the agent: a Unix socket that only the person's user may open, with few things to ask.
// Whoever asks is not to be trusted: what comes is small, seldom and soon, or it is not answered.
import { once } from "node:events";
import { chmodSync, chownSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";
import { fail, FailureError, toFailure } from "@gitspaces/contracts";
import type { Logger } from "@gitspaces/daemon";
import { Allowance } from "../allowance.ts";
import { answerProblem } from "../problem.ts";
import type { Container } from "./container.ts";
import type { InsideFolder } from "./inside-folder.ts";

/** What somebody inside can ask. */
export type DoorAnswers = {
  ports(): { port: number; label?: string }[];
  /** The person's environment, for a terminal that was opened before it changed. */
  env(): Record<string, string>;
  /** What came by POST to a path under `/git/`; nothing when the path is none of git's. */
  git?(path: string, body: Buffer): Promise<{ status: number; text: string } | undefined>;
};
export interface InnerDoor extends AsyncDisposable {
  /** From now on this user of the container may knock; until then nobody may. */
  giveTo(user: Pick<Container["user"], "uid" | "gid">): void;
}
type Parts = { inside: InsideFolder; answers: DoorAnswers; log: Logger; allowance?: Allowance };

/** A commit to sign may be large; everything else is a few words. */
const MOST_BYTES = 4 * 1024 * 1024;
const DEADLINE_MS = 15_000;
const MOST_CONNECTIONS = 32;
const AT_ONCE = 100;
const THEN_EVERY_MS = 50;

/** Opens the door as `/run/gitspaces/door.sock`. */
export async function openInnerDoor({ inside, answers, log, allowance }: Parts): Promise<InnerDoor> {
  const asked = allowance ?? new Allowance(AT_ONCE, THEN_EVERY_MS);
  const socket = join(inside.sent, "door.sock");
  const times = { requestTimeout: DEADLINE_MS, headersTimeout: 5_000, connectionsCheckingInterval: 1_000 };
  const server = createServer({ ...times, maxHeaderSize: 8_192 }, (request, response) => {
    answer(answers, asked, request, response).catch((error: unknown) => {
      if (!(error instanceof FailureError)) log.error({ err: error, path: request.url }, "the inner door failed");
      // The rest of what is too large is not waited for.
      if (!request.complete)
        response.setHeader("connection", "close").once("finish", () => request.socket.destroySoon());
      answerProblem(response, toFailure(error));
    });
  });
  server.maxConnections = MOST_CONNECTIONS;
  rmSync(socket, { force: true });
  server.listen(socket);
  await once(server, "listening");
  chmodSync(socket, 0o600);
  return {
    giveTo: ({ uid, gid }) => chownSync(socket, uid, gid),
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(
  answers: DoorAnswers,
  allowance: Allowance,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (!allowance.take()) throw fail("quota_exceeded", "This is asked for too often; wait a moment.");
  const { method = "", url = "" } = request;
  const body = await readBody(request);
  if (method === "GET" && url === "/ports") return answerJson(response, { ports: answers.ports() });
  if (method === "GET" && url === "/env") return answerJson(response, { env: answers.env() });
  if (method === "POST" && url === "/stop") {
    const cure = "Stop it on its web page, or with the command line on your own machine.";
    throw fail("unsupported", `A Gitspace is not stopped from inside, where every program could do it. ${cure}`);
  }
  const ofGit = method === "POST" && url.startsWith("/git/") ? await answers.git?.(url, body) : undefined;
  if (ofGit === undefined) throw fail("not_found", "There is no such thing to ask.");
  response.writeHead(ofGit.status, { "content-type": "text/plain; charset=utf-8" }).end(ofGit.text);
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > MOST_BYTES) throw fail("bad_request", `More than ${MOST_BYTES} bytes are not read.`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function answerJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
}
