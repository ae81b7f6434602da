import { once } from "node:events";
import { request } from "node:https";
import type { IncomingMessage } from "node:http";
import { json } from "node:stream/consumers";
import { GITSPACE_HEADER } from "@gitspaces/contracts";
import { createLog } from "@gitspaces/daemon";
import { clientTls, keyFingerprint } from "@gitspaces/daemon/certificates";
import { expect, test } from "vitest";
import { open } from "./listener.ts";
import { Routes } from "./routes.ts";
import { createTaskRelay } from "./task-relay.ts";
import { startAgent } from "./testing/agent.ts";
import { makeAuthority } from "./testing/certificates.ts";

test("a frozen agent is not waited for without end", async () => {
  const authority = makeAuthority("test");
  const vm = authority.issue("vm", "vm-1");
  await using agent = await startAgent(vm);
  agent.onTask = () => {};
  const routes = new Routes();
  const gitspaceId = "hello-k3v9x2";
  const place = { instanceId: "vm-1", address: "127.0.0.1", port: agent.port };
  const route = { ...place, gitspaceId, generation: 1, keyFingerprint: keyFingerprint(vm.certificate) };
  routes.apply({ change: "set", route });
  const gateway = authority.issue("gateway", "gateway");
  const log = createLog("test", "silent");
  const server = createTaskRelay({ identity: () => gateway, routes, log, silenceMs: 150 });
  await using relay = await open(server, { host: "127.0.0.1", port: 0 });

  const tls = clientTls(authority.issue("delegate", "d"), { role: "gateway" });
  const headers = { [GITSPACE_HEADER]: gitspaceId };
  const at = { host: "127.0.0.1", port: relay.address.port, method: "POST", path: "/tasks", headers, agent: false };
  const asked = request({ ...tls, ...at }).end("{}");
  const [answer] = (await once(asked, "response", { signal: AbortSignal.timeout(5_000) })) as [IncomingMessage];
  expect(answer.statusCode).toBe(502);
  expect(await json(answer)).toMatchObject({ code: "vm_unreachable", retry: "later" });
});
