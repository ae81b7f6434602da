// The agent's one port: TLS 1.3 with client certificates; the certificate's role says what its bearer may do.
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { type AgentStatus, fail, FailureError, Identity, parse, TaskAccepted, toFailure } from "@gitspaces/contracts";
import type { Logger } from "@gitspaces/daemon";
import { peerName, serverTls, type TlsIdentity } from "@gitspaces/daemon/certificates";
import type { IdentityStore } from "./identity.ts";
import type { Journal } from "./journal.ts";
import { readJsonBody } from "./json-body.ts";
import { findRoute, mayConnect, mayUse, type Route } from "./permission.ts";
import { answerProblem, refuseConnect } from "./problem.ts";
import type { TaskDesk } from "./task-desk.ts";
import { streamTask } from "./task-stream.ts";
import { dialTarget, tunnel, type TunnelPolicy } from "./tunnel.ts";

/** Milliseconds of the machine's monotonic clock, the same for every process on it. */
const monotonicMs = () => Number(process.hrtime.bigint()) / 1e6;

type Serving = {
  listen: { host: string; port: number };
  certificate: TlsIdentity;
  status: () => AgentStatus;
  identities: IdentityStore;
  journal: Journal;
  desk: TaskDesk;
  tunnels: TunnelPolicy;
  log: Logger;
};
export type AgentServer = AsyncDisposable & { port: number; useCertificate(renewed: TlsIdentity): void };

/** Opens the agent's port. */
export async function startServer(serving: Serving): Promise<AgentServer> {
  const { listen, log, tunnels } = serving;
  let { certificate } = serving;
  const roleOf = (socket: TLSSocket) => {
    const peer = peerName(socket);
    return peer?.installation === certificate.installation ? peer.role : undefined;
  };
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const receivedAt = monotonicMs();
    const role = roleOf(request.socket as TLSSocket);
    const route = findRoute(request.method ?? "", request.url ?? "/");
    if (role === undefined || (route !== undefined && !mayUse(role, route.name))) throw notForYou();
    if (route === undefined)
      throw mayUse(role, "status") ? fail("not_found", "There is no such path here.") : notForYou();
    await serve(serving, certificate, route, request, response, receivedAt);
  };

  const server = createServer({ ...serverTls(certificate), allowHalfOpen: true });
  server.on("request", (request, response) => {
    handle(request, response).catch((error: unknown) => {
      if (!(error instanceof FailureError)) log.error({ err: error, path: request.url }, "request failed");
      answerProblem(response, toFailure(error));
    });
  });
  // Every socket, also one in the middle of its handshake, of which the HTTP side does not know yet.
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.on("connect", (request: IncomingMessage, socket: TLSSocket, head: Buffer) => {
    // Node lets go of a socket here, and one that nobody listens to ends the process when it breaks.
    socket.on("error", () => socket.destroy());
    const role = roleOf(socket);
    if (role === undefined || !mayConnect(role)) {
      refuseConnect(socket, notForYou().failure);
      return;
    }
    tunnel(socket, head, dialTarget(request, tunnels)).catch((error: unknown) => {
      log.error({ err: error }, "tunnel failed");
      socket.destroy();
    });
  });
  server.listen(listen.port, listen.host);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    useCertificate: (renewed) => {
      certificate = renewed;
      server.setSecureContext(serverTls(renewed));
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function notForYou(): FailureError {
  return fail("denied", "Your certificate does not allow this.");
}

async function serve(
  { status, identities, journal, desk }: Serving,
  { controlPlaneKeys }: TlsIdentity,
  route: Route,
  request: IncomingMessage,
  response: ServerResponse,
  receivedAt: number,
): Promise<void> {
  switch (route.name) {
    case "status":
      answerJson(response, 200, status());
      return;
    case "identity": {
      const offered = parse(Identity, await readJsonBody(request), "identity");
      if (offered.generation < journal.generation) {
        throw fail("superseded", `Generation ${offered.generation} is over; the present one is ${journal.generation}.`);
      }
      const answer = identities.take(offered);
      journal.raiseGeneration(offered.generation);
      answerJson(response, 200, answer);
      return;
    }
    case "take-task": {
      const taskId = await desk.accept(await readJsonBody(request), controlPlaneKeys, receivedAt);
      answerJson(response, 202, parse(TaskAccepted, { taskId }, "answer"));
      return;
    }
    case "task-events":
      if (journal.find(route.taskId) === undefined) throw fail("not_found", "There is no such task here.");
      await streamTask(response, journal, route.taskId, route.after);
  }
}

function answerJson(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response
    .writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) })
    .end(text);
}
