// A gateway for tests: a real TLS server that asks for certificates; each test says what it answers.
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { TLSSocket } from "node:tls";
import { type Failure, type GitspaceTask, httpStatus, type TaskStreamLine, toProblem } from "@gitspaces/contracts";
import { peerName, serverTls, type TlsIdentity } from "@gitspaces/daemon/certificates";

export type Submitted = { gitspace: string | undefined; caller: ReturnType<typeof peerName>; task: GitspaceTask };
type Behaviour = {
  /** Accepts when it gives nothing. */
  submit?: (submitted: Submitted, attempt: number) => Failure | undefined;
  /** The lines after `after`; the connection ends after them. */
  lines?: (after: number, attempt: number, taskId: string) => TaskStreamLine[];
  /** Lines that follow once the test lets a stream go on. */
  after?: () => TaskStreamLine[];
};
export type TestGateway = { url: string; submitted: Submitted[]; after: number[]; goOn(): void } & AsyncDisposable;

export async function startGateway(
  identity: TlsIdentity,
  { submit, lines, after: later }: Behaviour,
): Promise<TestGateway> {
  const submitted: Submitted[] = [];
  const after: number[] = [];
  let held = Promise.withResolvers<void>();

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "https://gateway");
    if (request.method === "POST" && url.pathname === "/tasks") {
      const gitspace = request.headers["gs-gitspace"] as string | undefined;
      const task = JSON.parse(await text(request)) as GitspaceTask;
      submitted.push({ gitspace, caller: peerName(request.socket as TLSSocket), task });
      const refused = submit?.(submitted.at(-1) as Submitted, submitted.length);
      if (refused === undefined) response.writeHead(202).end(JSON.stringify({ taskId: task.id }));
      else response.writeHead(httpStatus(refused.code)).end(JSON.stringify(toProblem(refused)));
      return;
    }
    after.push(Number(url.searchParams.get("after")));
    response.writeHead(200, { "content-type": "application/x-ndjson" });
    const [, , taskId = ""] = url.pathname.split("/");
    for (const line of lines?.(after.at(-1) ?? 0, after.length, taskId) ?? [])
      response.write(`${JSON.stringify(line)}\n`);
    if (later !== undefined) await held.promise;
    for (const line of later?.() ?? []) response.write(`${JSON.stringify(line)}\n`);
    response.end();
  }

  const server = createServer(serverTls(identity), (request, response) => {
    serve(request, response).catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    submitted,
    after,
    goOn() {
      held.resolve();
      held = Promise.withResolvers();
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
