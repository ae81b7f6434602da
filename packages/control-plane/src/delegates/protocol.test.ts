// A transcript of the delegate protocol as existing delegates speak it, byte for byte, and what the server has to answer.
import { randomBytes } from "node:crypto";
import { EncryptJWT } from "jose";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ACCOUNT, testControlPlane, type TestControlPlane } from "../testing/control-plane.ts";
import { connect, mintToken } from "../testing/delegate.ts";
import { delegateKey } from "./delegate-token.ts";

let plane: TestControlPlane;
beforeAll(async () => {
  plane = await testControlPlane();
});
afterAll(() => plane[Symbol.asyncDispose]());

/** A request as the Go client makes it: both headers always, the body with a newline at its end, no redirects. */
async function said(method: string, path: string, body = "", token?: string): Promise<Response> {
  return await fetch(`${plane.url}${path}`, {
    method,
    redirect: "error",
    headers: {
      Authorization: `Delegate ${token ?? (await mintToken(plane.delegateSecret))}`,
      "Content-Type": "application/json",
    },
    ...(method === "GET" ? {} : { body }),
  });
}

const registration = {
  accountId: ACCOUNT,
  delegateName: "runner-delegate",
  delegateType: "DOCKER",
  ng: true,
  pollingModeEnabled: true,
  hostName: "dlite-host",
  sequenceNum: 1,
  ip: "fake-1",
  lastHeartBeat: 1_700_000_000_000,
  supportedTaskTypes: ["gitspace.status", "vm.provision", "gitspace.start"],
  tags: ["default"],
  heartbeatAsObject: true,
};

async function register(more: Record<string, unknown> = {}): Promise<string> {
  const body = { ...registration, delegateRandomToken: plane.delegateSecret, ...more };
  const response = await said(
    "POST",
    `/api/agent/delegates/register?accountId=${ACCOUNT}`,
    `${JSON.stringify(body)}\n`,
  );
  expect(response.status).toBe(200);
  const { resource } = (await response.json()) as { resource: { delegateId: string } };
  return resource.delegateId;
}

async function offerProvision(): Promise<string> {
  const made = await plane.call("POST", "/api/v1/gitspaces", { code_repo_url: "https://git.example.com/a/b" });
  const { identifier } = (await made.json()) as { identifier: string };
  await plane.call("POST", `/api/v1/gitspaces/${identifier}/actions`, { action: "start" });
  return identifier;
}

test("register, heartbeat, poll, acquire, answer", async () => {
  const delegateId = await register();
  const heartbeat = JSON.stringify({ ...registration, delegateId, lastHeartBeat: Date.now() });
  const beat = await said("POST", `/api/agent/delegates/heartbeat-with-polling?accountId=${ACCOUNT}`, `${heartbeat}\n`);
  expect(beat.status).toBe(200);
  const capacity = `/api/agent/delegates/register-delegate-capacity/${delegateId}?accountId=${ACCOUNT}`;
  expect((await said("POST", capacity, '{"maximumNumberOfBuilds":3}\n')).status).toBe(200);

  const events = `/api/agent/delegates/${delegateId}/task-events?accountId=${ACCOUNT}`;
  expect(await (await said("GET", events)).json()).toEqual({ delegateTaskEvents: [] });
  const gitspaceId = await offerProvision();
  const { delegateTaskEvents } = (await (await said("GET", events)).json()) as {
    delegateTaskEvents: { delegateTaskId: string }[];
  };
  expect(delegateTaskEvents).toEqual([
    { accountId: ACCOUNT, delegateTaskId: expect.any(String), sync: false, taskType: "vm.provision" },
  ]);
  const taskId = delegateTaskEvents[0]?.delegateTaskId ?? "";

  const acquire = `/api/agent/v2/delegates/${delegateId}/tasks/${taskId}/acquire?accountId=${ACCOUNT}&delegateInstanceId=${delegateId}`;
  const acquired = await said("PUT", acquire);
  expect(acquired.status).toBe(200);
  expect(acquired.headers.get("content-type")).toContain("application/json");
  const task = (await acquired.json()) as Record<string, unknown>;
  expect(task).toMatchObject({
    id: taskId,
    type: "vm.provision",
    runnerResponse: false,
    data: { v: 1, id: taskId, type: "vm.provision", gitspaceId, generation: 1 },
    delegate: { id: delegateId },
  });
  expect(task["timeout"]).toBeGreaterThan(590_000);
  expect(await (await said("PUT", acquire)).json()).toMatchObject({ id: taskId });

  const loser = await register({ delegateName: "other" });
  const lost = await said("PUT", `/api/agent/v2/delegates/${loser}/tasks/${taskId}/acquire?accountId=${ACCOUNT}`);
  expect(lost.status).toBe(409);
  expect(lost.headers.get("content-type")).toContain("application/problem+json");

  const failure = { code: "no_capacity", message: "full", retry: "later" };
  const answer = { taskId, generation: 1, outcome: "failed", failure, timings: { tookMs: 3 } };
  const result = `/api/agent/v2/tasks/${taskId}/delegates/${delegateId}?accountId=${ACCOUNT}`;
  const body = `${JSON.stringify({ id: taskId, data: answer, type: "vm.provision", code: "FAILED" })}\n`;
  expect((await said("POST", result, body)).status).toBe(200);
  expect((await said("POST", result, body)).status).toBe(200);
  const other = body.replace("full", "different");
  expect((await said("POST", result, other)).status).toBe(200);
  const view = await plane.call("GET", `/api/v1/gitspaces/${gitspaceId}/tasks/${taskId}`);
  expect(await view.json()).toMatchObject({ state: "answered", outcome: "failed", failure: { message: "full" } });
  expect((await said("PUT", acquire)).status).toBe(409);
});

test("the second form of an answer carries base64 of JSON", async () => {
  const delegateId = await register({ delegateName: "second" });
  const gitspaceId = await offerProvision();
  const events = `/api/agent/delegates/${delegateId}/task-events?accountId=${ACCOUNT}`;
  const { delegateTaskEvents } = (await (await said("GET", events)).json()) as {
    delegateTaskEvents: { delegateTaskId: string }[];
  };
  const id = delegateTaskEvents[0]?.delegateTaskId ?? "";
  await said("PUT", `/api/agent/v2/delegates/${delegateId}/tasks/${id}/acquire?accountId=${ACCOUNT}`);
  const data = Buffer.from(JSON.stringify({ command_execution_status: "FAILURE" })).toString("base64");
  const body = JSON.stringify({ id, data, type: "vm.provision", code: "FAILED", error: "quota" });
  const path = `/api/executions/${id}/response?accountId=${ACCOUNT}&delegateId=${delegateId}`;
  expect((await said("POST", path, `${body}\n`)).status).toBe(200);
  const view = await plane.call("GET", `/api/v1/gitspaces/${gitspaceId}`);
  expect(await view.json()).toMatchObject({
    state: "error",
    instance: { error_message: "vm.provision failed: quota" },
  });
});

const path = `/api/agent/delegates/register?accountId=${ACCOUNT}`;
const later = () => Math.floor(Date.now() / 1_000) - 3_600;
test.each([
  ["aud as a list", 200, () => mintToken(plane.delegateSecret, { aud: ["audience"] })],
  ["aud as a string", 200, () => mintToken(plane.delegateSecret, { aud: "audience" })],
  ["another audience", 401, () => mintToken(plane.delegateSecret, { aud: "somebody" })],
  ["another issuer", 401, () => mintToken(plane.delegateSecret, { iss: "somebody" })],
  ["another account", 401, () => mintToken(plane.delegateSecret, { sub: "account-2" })],
  ["an expired token", 401, () => mintToken(plane.delegateSecret, { exp: later() })],
  ["another secret", 401, () => mintToken(randomBytes(16).toString("hex"))],
  ["no token", 401, () => Promise.resolve("")],
  [
    "another algorithm",
    401,
    () =>
      new EncryptJWT({ sub: ACCOUNT, iss: "issuer", aud: "audience" })
        .setExpirationTime("5m")
        .setProtectedHeader({ alg: "A128GCMKW", enc: "A128GCM" })
        .encrypt(Buffer.from(plane.delegateSecret, "hex")),
  ],
])("a token with %s is answered %i", async (_what, status, token) => {
  const response = await said("POST", path, JSON.stringify(registration), await token());
  expect(response.status).toBe(status);
});

test("the token has the five parts of a compact JWE, and an empty key between two dots", async () => {
  const token = await mintToken(plane.delegateSecret);
  const [header, key, iv, , tag] = token.split(".");
  expect(JSON.parse(Buffer.from(header ?? "", "base64url").toString())).toEqual({
    alg: "dir",
    enc: "A128GCM",
    typ: "JWT",
  });
  expect(key).toBe("");
  expect([Buffer.from(iv ?? "", "base64url").length, Buffer.from(tag ?? "", "base64url").length]).toEqual([12, 16]);
});

test("a secret is hex, or the base64 of that", () => {
  const hex = "00112233445566778899aabbccddeeff";
  expect(delegateKey(hex)).toEqual(Buffer.from(hex, "hex"));
  expect(delegateKey(Buffer.from(hex).toString("base64"))).toEqual(Buffer.from(hex, "hex"));
  expect(() => delegateKey("too short")).toThrow("32 hex digits");
});

test("another account in the query is refused even with a good token", async () => {
  expect(
    (await said("POST", "/api/agent/delegates/register?accountId=account-2", JSON.stringify(registration))).status,
  ).toBe(401);
});

test("a delegate without room, or without the type, is not offered a task", async () => {
  const full = await connect(plane, { delegateName: "full", freeSlots: 0 });
  const picky = await connect(plane, { delegateName: "picky", supportedTaskTypes: ["vm.status"] });
  const free = await connect(plane, { delegateName: "free", freeSlots: 1 });
  await offerProvision();
  await offerProvision();
  expect([await full.poll(0), await picky.poll(0)]).toEqual([[], []]);
  const [first] = await free.poll(0);
  expect(await free.poll(0)).toHaveLength(1);
  await free.acquire(first?.id ?? "");
  expect(await free.poll(0)).toEqual([]);
});

test("events are taken once for each number, also when a batch is sent again", async () => {
  const delegate = await connect(plane, { delegateName: "events" });
  const gitspaceId = await offerProvision();
  const offered = await delegate.poll(0);
  let task = "";
  for (const { id } of offered) {
    const acquired = (await (await delegate.acquire(id)).json()) as { data: { gitspaceId: string } };
    if (acquired.data.gitspaceId === gitspaceId) task = id;
  }
  const event = (seq: number, kind: string) => ({
    taskId: task,
    gitspaceId,
    seq,
    at: 1,
    kind,
    message: `number ${seq}`,
  });
  const send = (...events: unknown[]) => delegate.call("POST", `/api/agent/v2/tasks/${task}/events`, { events });
  expect((await send(event(1, "infra_vm_creation_start"), event(2, "log"))).status).toBe(200);
  expect((await send(event(1, "infra_vm_creation_start"), event(2, "log"), event(3, "log"))).status).toBe(200);
  const timeline = (await (await plane.call("GET", `/api/v1/gitspaces/${gitspaceId}/events`)).json()) as {
    event: string;
  }[];
  expect(timeline.filter(({ event }) => event === "infra_vm_creation_start")).toHaveLength(1);
  const log = (await (await plane.call("GET", `/api/v1/gitspaces/${gitspaceId}/logs`)).json()) as { out: string }[];
  expect(log.map(({ out }) => out)).toEqual(["number 2", "number 3"]);
  expect((await send({ ...event(4, "log"), gitspaceId: "other-aaaaaa" })).status).toBe(400);
  expect(
    (await delegate.call("POST", `/api/agent/v2/tasks/${crypto.randomUUID()}/events`, { events: [event(1, "log")] }))
      .status,
  ).toBe(404);
});
