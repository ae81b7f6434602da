// What people and gateways follow: nothing is missed across a break, and changes come without a timer.
import { compactVerify, createLocalJWKSet } from "jose";
import type { AccessDocument, Gitspace, GitspaceEvent } from "@gitspaces/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { testControlPlane, type TestControlPlane } from "./testing/control-plane.ts";
import { connect, type TestDelegate } from "./testing/delegate.ts";
import { follow, type Message } from "./testing/sse.ts";

let plane: TestControlPlane;
let delegate: TestDelegate;
beforeAll(async () => {
  plane = await testControlPlane();
  delegate = await connect(plane);
});
afterAll(() => plane[Symbol.asyncDispose]());

async function make(): Promise<string> {
  const response = await plane.call("POST", "/api/v1/gitspaces", { code_repo_url: "https://git.example.com/a/hello" });
  return ((await response.json()) as Gitspace).identifier;
}
const act = (id: string, action: string) => plane.call("POST", `/api/v1/gitspaces/${id}/actions`, { action });
const admin = () => ({ authorization: `Bearer ${plane.adminToken}` });
const gateway = () => ({ authorization: `Bearer ${plane.gatewayToken}` });
const timeline = (messages: Message[]) =>
  messages.filter(({ event }) => event === "timeline").map(({ data }) => (data as GitspaceEvent).event);

test("the timeline and the state come as they change, and go on after the last id", async () => {
  const id = await make();
  const url = `${plane.url}/api/v1/gitspaces/${id}/events/stream`;
  using stream = await follow(url, admin());
  expect(stream.response.headers.get("content-type")).toContain("text/event-stream");
  expect(await stream.next()).toMatchObject({ event: "state", data: { state: "uninitialized" } });
  await act(id, "start");
  const begun = await stream.until("state");
  expect(timeline(begun)).toEqual(["gitspace_action_start", "infra_provisioning_start"]);
  expect(begun.at(-1)).toMatchObject({ data: { state: "starting" } });
  const last = begun.findLast(({ id }) => id !== undefined)?.id ?? "";
  await delegate.does("vm.provision", "gitspace.start");

  using resumed = await follow(url, { ...admin(), "last-event-id": last });
  const missed = await resumed.until("state");
  expect(timeline(missed)[0]).toBe("delegate_task_submitted");
  expect(timeline(missed).at(-1)).toBe("gitspace_action_start_completed");
  expect(missed.at(-1)).toMatchObject({ data: { state: "running" } });
  const ids = missed.flatMap(({ id }) => (id === undefined ? [] : [Number(id)]));
  expect(ids).toEqual(ids.toSorted((a, b) => a - b));
});

test("the stream of all Gitspaces says when one is gone", async () => {
  using stream = await follow(`${plane.url}/api/v1/events/stream`, admin());
  const id = await make();
  await plane.call("DELETE", `/api/v1/gitspaces/${id}`);
  const messages = await stream.until("deleted");
  expect(messages.at(-1)?.data).toEqual({ identifier: id });
  expect(timeline(messages)).toEqual(["gitspace_action_delete", "gitspace_action_delete_completed"]);
});

test("the log grows on its stream and can be resumed by position", async () => {
  const id = await make();
  await act(id, "start");
  const task = await delegate.take();
  const url = `${plane.url}/api/v1/gitspaces/${id}/logs/stream`;
  using stream = await follow(url, admin());
  const line = (seq: number) => ({ taskId: task.id, gitspaceId: id, seq, at: 5, kind: "log", message: `line ${seq}` });
  await delegate.call("POST", `/api/agent/v2/tasks/${task.id}/events`, { events: [line(1), line(2)] });
  expect(await stream.next()).toEqual({
    event: "log_line_appended",
    data: { pos: 1, out: "line 1", time: 5, task_id: task.id },
    id: "1",
  });
  using resumed = await follow(url, { ...admin(), "last-event-id": "1" });
  expect(await resumed.next()).toMatchObject({ data: { pos: 2, out: "line 2" } });
  await delegate.succeed(task);
  await delegate.does("gitspace.start");
});

async function opened(message: Message, keys: unknown): Promise<AccessDocument> {
  const { jws } = message.data as { jws: string };
  const { payload, protectedHeader } = await compactVerify(jws, createLocalJWKSet(keys as never));
  expect(protectedHeader.typ).toBe("gitspaces-access+jws");
  return JSON.parse(new TextDecoder().decode(payload)) as AccessDocument;
}

test("a gateway gets keys, then signed documents, then ready, then changes, and resumes by version", async () => {
  const id = await make();
  const url = `${plane.url}/api/gateway/v1/stream`;
  using stream = await follow(url, gateway());
  const first = await stream.until("ready");
  const [keys] = first;
  expect(keys?.event).toBe("keys");
  const documents = await Promise.all(first.slice(1, -1).map((message) => opened(message, keys?.data)));
  const mine = documents.find(({ gitspaceId }) => gitspaceId === id);
  expect(mine).toMatchObject({ state: "uninitialized", generation: 0, owner: "admin", organisation: "default" });
  expect(new Set(documents.map(({ gitspaceId }) => gitspaceId)).size).toBe(documents.length);

  await act(id, "start");
  const change = await stream.next();
  expect(await opened(change, keys?.data)).toMatchObject({
    gitspaceId: id,
    state: "starting",
    generation: 1,
    version: Number(change.id),
  });
  await delegate.does("vm.provision", "gitspace.start");
  using resumed = await follow(url, { ...gateway(), "last-event-id": change.id ?? "" });
  const rest = await resumed.until("ready");
  expect(rest.map(({ event }) => event)).toEqual(["keys", "access", "ready"]);
  expect(await opened(rest[1] as Message, keys?.data)).toMatchObject({ gitspaceId: id, state: "running" });
});

test("a gateway without the token is refused, and its reports are taken with it", async () => {
  const id = await make();
  const reports = [
    { kind: "health", gateway: "g1", version: "1", healthy: true, at: 1 },
    { kind: "wake", gitspaceId: id, user: "somebody", at: 2, generation: 0, by: "page" },
    { kind: "activity", gitspaceId: id, generation: 1, at: 3, bytes: 4 },
  ];
  const path = "/api/gateway/v1/reports";
  expect((await plane.call("POST", path, { reports }, gateway())).status).toBe(200);
  expect((await plane.call("POST", path, { reports: [{ kind: "other" }] }, gateway())).status).toBe(400);
  expect((await plane.call("POST", path, { reports })).status).toBe(401);
  expect((await plane.call("GET", "/api/gateway/v1/stream", undefined, {})).status).toBe(401);
});

test("activity that a gateway reports moves the last use", async () => {
  const id = await make();
  await act(id, "start");
  await delegate.does("vm.provision", "gitspace.start");
  const at = Date.now() + 60_000;
  const reports = [{ kind: "activity", gitspaceId: id, generation: 1, at, bytes: 4 }];
  await plane.call("POST", "/api/gateway/v1/reports", { reports }, gateway());
  const shown = (await (await plane.call("GET", `/api/v1/gitspaces/${id}`)).json()) as Gitspace;
  expect(shown.instance?.last_used).toBe(at);
});

test("the agent has its task before it begins, by the times that are shown, and never before it could", async () => {
  const id = await make();
  await act(id, "start");
  await delegate.does("vm.provision");
  const task = await delegate.take();
  const acquired = Date.now();
  const event = (seq: number, at: number) => ({ taskId: task.id, gitspaceId: id, seq, at, kind: "note", message: "" });
  await new Promise((resolve) => setTimeout(resolve, 30));
  await delegate.call("POST", `/api/agent/v2/tasks/${task.id}/events`, { events: [event(1, acquired + 10)] });
  await delegate.succeed(task);
  const response = await plane.call("GET", `/api/v1/gitspaces/${id}/events`);
  const events = ((await response.json()) as GitspaceEvent[]).toSorted((a, b) => a.id - b.id);
  const kinds = ["agent_connect_start", "agent_connect_completed", "note"];
  const shown = events.filter((each) => kinds.includes(each.event));
  expect(shown.map((each) => each.event)).toEqual(kinds);
  expect(shown.map(({ timestamp }) => timestamp)).toEqual(
    shown.map(({ timestamp }) => timestamp).toSorted((a, b) => a - b),
  );
});
