// The broker behind a Unix socket, for git of the person where that runs in the VM itself.
import { once } from "node:events";
import { chmodSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import { httpStatus, toFailure } from "@gitspaces/contracts";
import type { GitBroker } from "./git-broker.ts";
import { CREDENTIALS_PATH, SIGNATURE_PATH } from "./git-programs.ts";

const LARGEST_BYTES = 4 * 1024 * 1024;
const DEADLINE_MS = 15_000;

/** The answer to what came to a path of the door, as text; nothing when the path is none of git's. */
export async function answerGit(
  broker: GitBroker,
  path: string,
  body: Buffer,
): Promise<{ status: number; text: string } | undefined> {
  try {
    if (path === CREDENTIALS_PATH) return { status: 200, text: await broker.credentials(body.toString("utf8")) };
    if (path === SIGNATURE_PATH) return { status: 200, text: await broker.sign(body) };
    return undefined;
  } catch (error) {
    const { code, message } = toFailure(error);
    return { status: httpStatus(code), text: message };
  }
}

/** Opens the door: only this account may ask. Disposing closes it. */
export async function openGitDoor(broker: GitBroker, socket: string): Promise<AsyncDisposable> {
  const server = createServer({ requestTimeout: DEADLINE_MS }, (request, response) => {
    answer(broker, request, response).catch(() => response.destroy());
  });
  rmSync(socket, { force: true });
  server.listen(socket);
  await once(server, "listening");
  chmodSync(socket, 0o600);
  return { [Symbol.asyncDispose]: async () => await close(server) };
}

async function close(server: Server): Promise<void> {
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
}

async function answer(broker: GitBroker, request: IncomingMessage, response: ServerResponse): Promise<void> {
  let bytes = 0;
  request.on("data", (part: Buffer) => {
    bytes += part.length;
    if (bytes > LARGEST_BYTES) request.destroy();
  });
  const body = await buffer(request);
  const answered = request.method === "POST" ? await answerGit(broker, request.url ?? "", body) : undefined;
  const { status, text } = answered ?? { status: 404, text: "There is nothing here." };
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" }).end(text);
}
