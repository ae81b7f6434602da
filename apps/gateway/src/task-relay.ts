// Relays signed tasks from delegates to agents, byte for byte. It can neither make one nor read more than where it goes.
import type { IncomingMessage, ServerResponse } from "node:http";
import { Agent, createServer, request as httpsRequest, type Server } from "node:https";
import { pipeline } from "node:stream";
import type { TLSSocket } from "node:tls";
import {
  FailureError,
  fail,
  type Failure,
  GITSPACE_HEADER,
  GitspaceId,
  httpStatus,
  toFailure,
  toProblem,
} from "@gitspaces/contracts";
import { failpoint, type Logger } from "@gitspaces/daemon";
import { clientTls, peerName, retireAgent, serverTls, type TlsIdentity } from "@gitspaces/daemon/certificates";
import { sendJson } from "./answer.ts";
import type { Routed, Routes } from "./routes.ts";

const BODY_BYTES = 256 * 1024;
/** An agent that works on a task shows every 10 s that it is alive; one that is silent for so long is not waited for. */
const SILENCE_MS = 30_000;
const EVENTS_PATH = /^\/tasks\/[0-9a-f-]{36}\/events(?:\?after=\d{1,12})?$/;

export type Relay = { identity: () => TlsIdentity; routes: Routes; log: Logger; silenceMs?: number };

/** The server of the task relay; only a delegate's certificate gets an answer. */
export function createTaskRelay(relay: Relay): Server {
  const agents = new WeakMap<Routed, { agent: Agent; identity: TlsIdentity }>();
  const agentOf = (routed: Routed): Agent => {
    const identity = relay.identity();
    const present = agents.get(routed);
    if (present?.identity === identity) return present.agent;
    const { route, ended } = routed;
    const expected = { role: "vm", name: route.instanceId, keyFingerprint: route.keyFingerprint } as const;
    if (present !== undefined) retireAgent(present.agent);
    const agent = new Agent({ ...clientTls(identity, expected), keepAlive: true, maxFreeSockets: 4 });
    agents.set(routed, { agent, identity });
    ended.addEventListener("abort", () => agent.destroy(), { once: true });
    return agent;
  };
  const server = createServer(
    {
      ...serverTls(relay.identity()),
      requestTimeout: 0,
      headersTimeout: 10_000,
      maxHeaderSize: 16 * 1024,
      keepAliveTimeout: 60_000,
    },
    (request, response) => {
      relayTask(relay, agentOf, request, response).catch((error: unknown) =>
        refuse(request, response, error, relay.log),
      );
    },
  );
  server.on("tlsClientError", (err) => relay.log.debug({ err }, "a caller of the task relay was refused"));
  return server;
}

async function relayTask(
  { routes, silenceMs = SILENCE_MS }: Relay,
  agentOf: (routed: Routed) => Agent,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (peerName(request.socket as TLSSocket)?.role !== "delegate")
    throw fail("denied", "Only a delegate may send tasks.");
  const url = request.url ?? "";
  const isTask = request.method === "POST" && url === "/tasks";
  const isEvents = request.method === "GET" && EVENTS_PATH.test(url);
  if (!isTask && !isEvents) throw fail("not_found", "The task relay has POST /tasks and GET /tasks/{id}/events.");
  const gitspace = GitspaceId.safeParse(request.headers[GITSPACE_HEADER]);
  if (!gitspace.success)
    throw fail("bad_request", `The ${GITSPACE_HEADER} header should name a Gitspace.`, { field: GITSPACE_HEADER });
  const routed = routes.find(gitspace.data);
  if (routed === undefined)
    throw fail("vm_unreachable", `There is no route to ${gitspace.data} yet.`, { retry: "later" });
  failpoint("gateway.afterRoute");
  const body = isTask ? await readBody(request) : undefined;
  await pass({ routed, agent: agentOf(routed), silenceMs }, request, body, response);
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > BODY_BYTES) throw fail("bad_request", `A task should be at most ${BODY_BYTES} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

type Way = { routed: Routed; agent: Agent; silenceMs: number };

function pass(way: Way, request: IncomingMessage, body: Buffer | undefined, response: ServerResponse): Promise<void> {
  const { agent, silenceMs } = way;
  const { route } = way.routed;
  return new Promise((resolve, reject) => {
    const asked = httpsRequest({
      agent,
      host: route.address,
      port: route.port,
      method: request.method,
      path: request.url,
      headers: body === undefined ? {} : { "content-type": "application/json", "content-length": body.length },
    });
    asked.setTimeout(silenceMs, () => asked.destroy(new Error(`nothing was heard for ${silenceMs / 1_000} s`)));
    response.once("close", () => {
      asked.destroy();
      resolve();
    });
    asked.on("error", (cause) => {
      // A pooled socket that died before it was used says nothing about the agent; a repeated task is the same task.
      if (asked.reusedSocket && !response.headersSent && !response.destroyed)
        resolve(pass(way, request, body, response));
      else
        reject(fail("vm_unreachable", `The agent of ${route.gitspaceId} does not answer.`, { retry: "later", cause }));
    });
    // Nobody asked for one; without a listener Node drops it in silence, and the delegate would wait for ever.
    asked.once("upgrade", (_answer, socket) => {
      socket.destroy();
      reject(
        fail("vm_unreachable", `The agent of ${route.gitspaceId} switched protocols unasked.`, { retry: "later" }),
      );
    });
    asked.once("response", (answer) => {
      const reached = (name: string) => passOr(response, name);
      reached(body === undefined ? "gateway.afterFollowed" : "gateway.afterSubmitted");
      // An agent is inside of what a person may break: nothing it says may throw from here.
      const status = answer.statusCode ?? 0;
      if (status < 200) {
        asked.destroy(new Error(`the agent answered with the status ${status}`));
        return;
      }
      response.writeHead(status, { "Content-Type": answer.headers["content-type"] ?? "application/json" });
      response.flushHeaders();
      pipeline(answer, response, (error) => {
        if (error != null) response.destroy();
        else reached(body === undefined ? "gateway.afterAnswer" : "gateway.afterAccepted");
      });
      if (body === undefined) answer.on("data", () => reached("gateway.afterEvents"));
    });
    asked.end(body);
  });
}

/** A failpoint in a listener: where it fails, the answer breaks off. */
function passOr(response: ServerResponse, name: string): void {
  try {
    failpoint(name);
  } catch {
    response.destroy();
  }
}

function refuse(request: IncomingMessage, response: ServerResponse, error: unknown, log: Logger): void {
  if (!(error instanceof FailureError)) log.error({ err: error }, "a task could not be relayed");
  else log.debug({ failure: error.failure, method: request.method }, "a task was not relayed");
  const failure: Failure = toFailure(error);
  if (response.headersSent) return void response.destroy();
  // What was not read of the body is not waited for.
  response.setHeader("Connection", "close");
  sendJson(response, httpStatus(failure.code), toProblem(failure), "application/problem+json");
}
