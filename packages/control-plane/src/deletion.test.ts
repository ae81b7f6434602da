// A delete that can be taken back, over real HTTP, with a clock that the test moves.
import type { AccessDocument, Gitspace } from "@gitspaces/contracts";
import { decodeJwt } from "jose";
import { expect, test } from "vitest";
import { eventually, testControlPlane, type TestControlPlane } from "./testing/control-plane.ts";
import { connect, type TestDelegate } from "./testing/delegate.ts";
import { follow } from "./testing/sse.ts";

const GRACE_MS = 3_600_000;

async function open() {
  const time = { now: Date.now() };
  const plane = await testControlPlane({ deleteGraceMs: GRACE_MS, clock: { now: () => time.now } });
  const delegate = await connect(plane);
  const made = await plane.call("POST", "/api/v1/gitspaces", { code_repo_url: "https://git.example.com/a/hello" });
  const { identifier: id } = (await made.json()) as Gitspace;
  return { time, plane, delegate, id, [Symbol.asyncDispose]: () => plane[Symbol.asyncDispose]() };
}

async function show(plane: TestControlPlane, id: string): Promise<Gitspace> {
  return (await (await plane.call("GET", `/api/v1/gitspaces/${id}`)).json()) as Gitspace;
}

async function listed(plane: TestControlPlane, query: string): Promise<string[]> {
  const response = await plane.call("GET", `/api/v1/gitspaces?${query}`);
  return ((await response.json()) as Gitspace[]).map(({ identifier }) => identifier);
}

const act = (plane: TestControlPlane, id: string, action: string) =>
  plane.call("POST", `/api/v1/gitspaces/${id}/actions`, { action });

async function startAndDelete(plane: TestControlPlane, delegate: TestDelegate, id: string): Promise<void> {
  await act(plane, id, "start");
  await delegate.does("vm.provision", "gitspace.start");
  expect((await plane.call("DELETE", `/api/v1/gitspaces/${id}`)).status).toBe(204);
  const [stop, release] = await delegate.does("gitspace.stop", "vm.stop");
  expect([stop?.data, release?.data]).toEqual([{}, { policy: "release" }]);
}

test("a deleted Gitspace loses its VM at once, is listed apart with its end, and nobody reaches it", async () => {
  await using opened = await open();
  const { time, plane, delegate, id } = opened;
  await startAndDelete(plane, delegate, id);
  expect(await show(plane, id)).toMatchObject({ state: "deleted", undelete_until: time.now + GRACE_MS });
  expect([await listed(plane, ""), await listed(plane, "deleted=true")]).toEqual([[], [id]]);
  for (const action of ["start", "stop", "reset", "cancel"]) expect((await act(plane, id, action)).status).toBe(409);
  expect((await plane.call("DELETE", `/api/v1/gitspaces/${id}`)).status).toBe(409);
  using stream = await follow(`${plane.url}/api/gateway/v1/stream`, { authorization: `Bearer ${plane.gatewayToken}` });
  const documents = (await stream.until("ready")).filter(({ event }) => event === "access");
  const told = documents.map(({ data }) => decodeJwt<AccessDocument>((data as { jws: string }).jws));
  expect(told).toEqual([expect.objectContaining({ gitspaceId: id, state: "deleted" })]);
});

test("an undelete within the grace makes it stopped again, and its next start has the same home disk", async () => {
  await using opened = await open();
  const { time, plane, delegate, id } = opened;
  await startAndDelete(plane, delegate, id);
  time.now += GRACE_MS - 1_000;
  expect((await act(plane, id, "undelete")).status).toBe(200);
  expect(await show(plane, id)).toMatchObject({ state: "stopped", undelete_until: null, generation: 3 });
  expect([await listed(plane, ""), await listed(plane, "deleted=true")]).toEqual([[id], []]);
  time.now += GRACE_MS;
  await delegate.heartbeat();
  expect(await delegate.poll(0)).toEqual([]);
  await act(plane, id, "start");
  const [provision] = await delegate.does("vm.provision", "gitspace.start");
  expect(provision).toMatchObject({ generation: 4, data: { homeDisk: id } });
});

test("whoever watches their Gitspaces is told when a deleted one can no longer be taken back", async () => {
  await using opened = await open();
  const { time, plane, delegate, id } = opened;
  await startAndDelete(plane, delegate, id);
  using stream = await follow(`${plane.url}/api/v1/events/stream`, { authorization: `Bearer ${plane.adminToken}` });
  time.now += GRACE_MS;
  await delegate.heartbeat();
  await delegate.does("vm.destroy");
  expect((await stream.until("deleted")).at(-1)?.data).toEqual({ identifier: id });
});

test("another user's Gitspace is not there while it can be taken back, and its owner's delete stays", async () => {
  await using opened = await open();
  const { plane, delegate, id } = opened;
  await startAndDelete(plane, delegate, id);
  const bob = { identifier: "bob", display_name: "Bob", email: "bob@example.com" };
  expect((await plane.call("POST", "/api/v1/users", bob)).status).toBe(201);
  const made = await plane.call("POST", "/api/v1/tokens", { name: "test", user_identifier: "bob" });
  const asBob = { authorization: `Bearer ${((await made.json()) as { token: string }).token}` };
  for (const action of ["undelete", "cancel", "reset"]) {
    const refused = await plane.call("POST", `/api/v1/gitspaces/${id}/actions`, { action }, asBob);
    expect(refused.status).toBe(404);
  }
  const all = await plane.call("GET", "/api/v1/gitspaces?deleted=true&gitspace_owner=all", undefined, asBob);
  expect(await all.json()).toEqual([]);
  expect((await plane.call("GET", "/api/v1/installation/health", undefined, asBob)).status).toBe(403);
  expect(await show(plane, id)).toMatchObject({ state: "deleted" });
});

test("after the grace the home disk goes and the record is final, also over a restart and a failure", async () => {
  await using opened = await open();
  const { time, plane, delegate, id } = opened;
  await startAndDelete(plane, delegate, id);
  await plane.restart();
  time.now += GRACE_MS;
  await delegate.heartbeat();
  expect((await act(plane, id, "undelete")).status).toBe(410);
  const destroy = await delegate.take();
  expect(destroy).toMatchObject({ type: "vm.destroy", generation: 2, data: { homeDisk: id } });
  await delegate.fail(destroy, "disk_full");
  expect((await show(plane, id)).state).toBe("deleted");
  time.now += 5_001;
  await delegate.heartbeat();
  await delegate.does("vm.destroy");
  await eventually(
    async () => ((await plane.call("GET", `/api/v1/gitspaces/${id}`)).status === 404 ? true : undefined),
    "the end",
  );
  expect(await listed(plane, "deleted=true")).toEqual([]);
});
