// An agent that does what the runner sees of one, and nothing else: enrols for real, serves mutual TLS, takes one identity.
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { TLSSocket } from "node:tls";
import {
  type AgentMetadata,
  type AgentStatus,
  FailureError,
  fail,
  httpStatus,
  Identity,
  parse,
  toFailure,
  toProblem,
} from "@gitspaces/contracts";
import { enrol, peerName, serverTls } from "@gitspaces/daemon/certificates";

export type StandInAgent = AsyncDisposable & { identity: Identity | null; ide: AgentStatus["ide"]; identities: number };

type Options = { metadata: AgentMetadata; listener: Server; folder: string; ide?: AgentStatus["ide"] };

/** A listener without a certificate yet, so that its port is known before its owner enrols. */
export async function openListener(): Promise<Server> {
  const server = createServer({ requestCert: true, rejectUnauthorized: true });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

export const portOf = (server: Server): number => (server.address() as AddressInfo).port;

const ENROL_MS = 20_000;
const ASK_AGAIN_MS = 20;

/** Enrols with the metadata's token and serves on the listener. */
export async function startStandInAgent({ metadata, listener, folder, ide = "ready" }: Options): Promise<StandInAgent> {
  const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { x = "", y = "" } = publicKey.export({ format: "jwk" });
  const agentKey = { kty: "EC", crv: "P-256", x, y };
  const agent: StandInAgent = {
    identity: null,
    ide,
    identities: 0,
    [Symbol.asyncDispose]: async () => await closed(listener),
  };
  listener.on("request", (request, response) => {
    answer(request, metadata.instanceId, agent, agentKey).then(
      (body) => send(response, 200, body),
      (error: unknown) => send(response, httpStatus(toFailure(error).code), toProblem(toFailure(error))),
    );
  });
  const off = new AbortController();
  listener.once("close", () => off.abort());
  const identity = await enrolled(metadata, folder, off.signal);
  listener.setSecureContext(serverTls(identity));
  return agent;
}

/** The runner may not know the VM's address yet, or is being started again: an agent asks again, until its VM is off. */
async function enrolled(
  { enrolUrl, caFingerprint, token, instanceId }: AgentMetadata,
  folder: string,
  off: AbortSignal,
) {
  const signal = AbortSignal.any([off, AbortSignal.timeout(ENROL_MS)]);
  for (;;) {
    try {
      return await enrol({
        enrolUrl,
        caFingerprint,
        token,
        name: instanceId,
        role: "vm",
        keyFile: `${folder}/key`,
        certificateFile: `${folder}/certificate`,
        signal,
      });
    } catch (error) {
      if (signal.aborted || (error instanceof FailureError && error.failure.code === "denied")) throw error;
      await sleep(ASK_AGAIN_MS);
    }
  }
}

async function answer(
  request: IncomingMessage,
  instanceId: string,
  agent: StandInAgent,
  agentKey: object,
): Promise<unknown> {
  if (peerName(request.socket as TLSSocket)?.role !== "runner") throw fail("denied", "Only the runner may ask.");
  if (request.url === "/status")
    return { instanceId, identity: agent.identity, generation: agent.identity?.generation ?? 0, ide: agent.ide };
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const identity = parse(Identity, JSON.parse(Buffer.concat(chunks).toString()), "identity");
  if (agent.identity !== null && JSON.stringify(agent.identity) !== JSON.stringify(identity))
    throw fail("conflict", "This VM has another identity.");
  agent.identity = identity;
  agent.identities++;
  return { agentKey };
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response
    .writeHead(status, { "content-type": status === 200 ? "application/json" : "application/problem+json" })
    .end(JSON.stringify(body));
}

async function closed(server: Server): Promise<void> {
  if (!server.listening) return;
  server.close();
  server.closeAllConnections();
  await once(server, "close");
}
