// A visit starts a Gitspace: once, for its owner only, and never over a stop that came later.
import type { Gitspace, GitspaceEvent, WakeAnswer } from "@gitspaces/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { testControlPlane, type TestControlPlane } from "../testing/control-plane.ts";
import { connect, type TestDelegate } from "../testing/delegate.ts";
import { follow } from "../testing/sse.ts";

let plane: TestControlPlane;
let delegate: TestDelegate;
beforeAll(async () => {
  plane = await testControlPlane();
  delegate = await connect(plane);
});
afterAll(() => plane[Symbol.asyncDispose]());

const gateway = () => ({ authorization: `Bearer ${plane.gatewayToken}` });
async function make(): Promise<string> {
  const made = await plane.call("POST", "/api/v1/gitspaces", { code_repo_url: "https://git.example.com/a/hello" });
  return ((await made.json()) as Gitspace).identifier;
}
const shown = async (id: string) => (await (await plane.call("GET", `/api/v1/gitspaces/${id}`)).json()) as Gitspace;
const act = (id: string, action: string) => plane.call("POST", `/api/v1/gitspaces/${id}/actions`, { action });
async function wake(gitspaceId: string, more: Record<string, unknown> = {}): Promise<WakeAnswer | undefined> {
  const report = { kind: "wake", gitspaceId, user: "admin", at: Date.now(), generation: 0, by: "client", ...more };
  const answer = await plane.call("POST", "/api/gateway/v1/reports", { reports: [report] }, gateway());
  return ((await answer.json()) as { wakes: WakeAnswer[] }).wakes[0];
}

test("twenty visits at once, some of them late, cause one start, and the timeline says what began it", async () => {
  const id = await make();
  const answers = await Promise.all(Array.from({ length: 20 }, () => wake(id, { by: "page" })));
  expect(answers).toEqual(Array.from({ length: 20 }, () => ({ outcome: "accepted", gitspaceId: id, generation: 1 })));
  await delegate.does("vm.provision", "gitspace.start");
  expect(await delegate.poll(0)).toEqual([]);
  expect(await wake(id)).toMatchObject({ outcome: "accepted", generation: 1 });
  expect(await shown(id)).toMatchObject({ state: "running", generation: 1 });
  const events = (await (await plane.call("GET", `/api/v1/gitspaces/${id}/events`)).json()) as GitspaceEvent[];
  expect(events.filter(({ event }) => event === "note").map(({ message }) => message)).toEqual([
    "Started by a visit in the browser",
  ]);
});

test("a visit that saw the Gitspace before it was stopped does not start it again", async () => {
  const id = await make();
  await act(id, "start");
  await delegate.does("vm.provision", "gitspace.start");
  await act(id, "stop");
  expect(await wake(id, { generation: 1 })).toMatchObject({ outcome: "denied", failure: { code: "conflict" } });
  expect(await wake(id, { generation: 2 })).toMatchObject({ outcome: "denied", failure: { code: "conflict" } });
  await delegate.does("gitspace.stop", "vm.stop");
  expect(await wake(id, { generation: 1 })).toMatchObject({ outcome: "denied", failure: { code: "conflict" } });
  expect(await shown(id)).toMatchObject({ state: "stopped", generation: 2 });
  expect(await wake(id, { generation: 2 })).toMatchObject({ outcome: "accepted", generation: 3 });
  await delegate.does("vm.provision", "gitspace.start");
});

test("nobody but its owner starts a Gitspace by a visit, and one that is gone is not told apart", async () => {
  const id = await make();
  const refused = { outcome: "denied", failure: { code: "denied", message: "Only its owner may start it." } };
  expect(await wake(id, { user: "somebody" })).toMatchObject(refused);
  expect(await wake("nobody-a1b2c3")).toMatchObject(refused);
  expect((await shown(id)).state).toBe("uninitialized");
});

test("who waits is told the timeline of this start alone, the state, and why it failed", async () => {
  const id = await make();
  await act(id, "start");
  await delegate.does("vm.provision", "gitspace.start");
  await act(id, "stop");
  await delegate.does("gitspace.stop", "vm.stop");
  await wake(id, { generation: 2 });
  using stream = await follow(`${plane.url}/api/gateway/v1/gitspaces/${id}/progress`, gateway());
  const first = await stream.until("state");
  expect(first[0]).toMatchObject({ event: "timeline", data: { kind: "gitspace_action_start" } });
  expect(first.filter(({ data }) => (data as { kind?: string }).kind === "gitspace_action_start")).toHaveLength(1);
  expect(first.at(-1)?.data).toEqual({ state: "starting", generation: 3, failure: null });
  const task = await delegate.take();
  await delegate.fail(task, "no_capacity");
  const rest = await stream.until("state");
  expect(rest.at(-1)?.data).toEqual({
    state: "error",
    generation: 3,
    failure: { code: "no_capacity", message: "no: no_capacity" },
  });
});

test("progress is for gateways", async () => {
  const id = await make();
  expect((await plane.call("GET", `/api/gateway/v1/gitspaces/${id}/progress`)).status).toBe(401);
  expect((await plane.call("GET", "/api/gateway/v1/gitspaces/x..y/progress", undefined, gateway())).status).toBe(400);
});
