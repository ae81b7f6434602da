import { once } from "node:events";
import { request } from "node:https";
import type { IncomingMessage } from "node:http";
import { json } from "node:stream/consumers";
import { GITSPACE_HEADER } from "@gitspaces/contracts";
import { createLog } from "@gitspaces/daemon";
import { clientTls, keyFingerprint, type TlsIdentity } from "@gitspaces/daemon/certificates";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Listening, open } from "./listener.ts";
import { Routes } from "./routes.ts";
import { createTaskRelay } from "./task-relay.ts";
import { startAgent, type TestAgent } from "./testing/agent.ts";
import { makeAuthority } from "./testing/certificates.ts";

const gitspaceId = "hello-k3v9x2";
let agent: TestAgent;
let relay: Listening;
let delegate: TlsIdentity;
beforeAll(async () => {
  const authority = makeAuthority("test");
  const vm = authority.issue("vm", "vm-1");
  agent = await startAgent(vm);
  const routes = new Routes();
  const place = { instanceId: "vm-1", address: "127.0.0.1", port: agent.port };
  const route = { ...place, gitspaceId, generation: 1, keyFingerprint: keyFingerprint(vm.certificate) };
  routes.apply({ change: "set", route });
  const gateway = authority.issue("gateway", "gateway");
  const log = createLog("test", "silent");
  const server = createTaskRelay({ identity: () => gateway, routes, log, silenceMs: 150 });
  relay = await open(server, { host: "127.0.0.1", port: 0 });
  delegate = authority.issue("delegate", "d");
});
afterAll(async () => {
  await relay[Symbol.asyncDispose]();
  await agent[Symbol.asyncDispose]();
});

async function sendTask(): Promise<{ status: number | undefined; body: unknown }> {
  const tls = clientTls(delegate, { role: "gateway" });
  const headers = { [GITSPACE_HEADER]: gitspaceId };
  const at = { host: "127.0.0.1", port: relay.address.port, method: "POST", path: "/tasks", headers, agent: false };
  const asked = request({ ...tls, ...at }).end("{}");
  const [answer] = (await once(asked, "response", { signal: AbortSignal.timeout(5_000) })) as [IncomingMessage];
  return { status: answer.statusCode, body: await json(answer) };
}
const away = { status: 502, body: { code: "vm_unreachable", retry: "later" } };

test("a frozen agent is not waited for without end", async () => {
  agent.onTask = () => {};
  expect(await sendTask()).toMatchObject(away);
});

test("an agent that answers nonsense is away, and the relay goes on", async () => {
  agent.onTask = ({ socket }) => void socket.end("HTTP/1.1 000 Odd\r\nContent-Length: 2\r\n\r\n{}");
  expect(await sendTask()).toMatchObject(away);
  agent.onTask = ({ socket }) =>
    void socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n\0garbage");
  expect(await sendTask()).toMatchObject(away);
  agent.onTask = (_request, response) => void response.writeHead(202).end("{}");
  expect(await sendTask()).toMatchObject({ status: 202 });
});
