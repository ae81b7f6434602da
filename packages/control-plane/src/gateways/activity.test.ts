// The ledger of use, and the stop of what nobody uses.
import type { Gitspace, GitspaceActivity } from "@gitspaces/contracts";
import { expect, test } from "vitest";
import { dueForStop } from "../lifecycle/auto-stop.ts";
import { eventually, testControlPlane, type TestControlPlane } from "../testing/control-plane.ts";
import { connect } from "../testing/delegate.ts";

const MINUTE = 60_000;
const report = (plane: TestControlPlane, reports: object[], batch?: string) =>
  plane.call("POST", "/api/gateway/v1/reports", batch === undefined ? { reports } : { reports, batch }, {
    authorization: `Bearer ${plane.gatewayToken}`,
  });
const health = (at: number) => ({ kind: "health", gateway: "g1", version: "1", healthy: true, at });
const moved = (gitspaceId: string, at: number, more: object = {}) => ({
  kind: "activity",
  gitspaceId,
  generation: 1,
  at,
  bytes: 100,
  ...more,
});
async function get<T>(plane: TestControlPlane, path: string): Promise<T> {
  return (await (await plane.call("GET", `/api/v1/gitspaces/${path}`)).json()) as T;
}

async function running(plane: TestControlPlane, more: object = {}) {
  const body = { code_repo_url: "https://git.example.com/a/hello", ...more };
  const { identifier } = (await (await plane.call("POST", "/api/v1/gitspaces", body)).json()) as Gitspace;
  const delegate = await connect(plane);
  await plane.call("POST", `/api/v1/gitspaces/${identifier}/actions`, { action: "start" });
  await delegate.does("vm.provision", "gitspace.start");
  return { id: identifier, delegate };
}

test("bytes add up per source and port; a batch that comes twice counts once", async () => {
  const now = Date.now();
  await using plane = await testControlPlane({ clock: { now: () => now } });
  const { id } = await running(plane);
  const lines = [
    moved(id, now + MINUTE, { source: "http", port: 8089 }),
    moved(id, now + MINUTE, { source: "ssh", port: 8022, active: false }),
  ];
  await report(plane, [health(now), ...lines], "one");
  await report(plane, [health(now), ...lines], "one");
  await report(plane, [health(now), moved(id, now + 2 * MINUTE, { source: "http", port: 8089 })], "two");
  const activity = await get<GitspaceActivity>(plane, `${id}/activity`);
  expect(activity).toEqual({
    last_used: now + 2 * MINUTE,
    auto_stop_minutes: null,
    stops_at: null,
    entries: [
      { source: "http", port: 8089, bytes: 200, last_moved: now + 2 * MINUTE, last_active: now + 2 * MINUTE },
      { source: "ssh", port: 8022, bytes: 100, last_moved: now + MINUTE, last_active: null },
    ],
  });
});

test("an idle Gitspace is stopped after its minutes; use puts that off, an open window that is not used does not", async () => {
  let now = Date.now();
  await using plane = await testControlPlane({ clock: { now: () => now }, lookEveryMs: 20 });
  const { id, delegate } = await running(plane, { auto_stop_minutes: 10 });
  const pass = async (minutes: number, ...reports: object[]) => {
    now += minutes * MINUTE;
    await report(plane, [health(now), ...reports]);
    await delegate.heartbeat();
    await new Promise((resolve) => setTimeout(resolve, 100));
    return (await get<Gitspace>(plane, id)).state;
  };
  expect(await pass(9, moved(id, now + 9 * MINUTE))).toBe("running");
  expect(await pass(9, moved(id, now + 9 * MINUTE, { source: "websocket", active: false }))).toBe("running");
  const { stops_at: stopsAt } = await get<GitspaceActivity>(plane, `${id}/activity`);
  expect(stopsAt).toBe(now + MINUTE);
  expect(await pass(1)).toBe("stopping");
  await eventually(async () => {
    const events = await get<{ event: string }[]>(plane, `${id}/events`);
    return events.find(({ event }) => event === "gitspace_action_auto_stop");
  }, "the timeline's word for it");
});

test("auto-stop is set and taken back by its owner, within bounds", async () => {
  await using plane = await testControlPlane();
  const { id } = await running(plane);
  const set = (minutes: unknown) => plane.call("PATCH", `/api/v1/gitspaces/${id}`, { auto_stop_minutes: minutes });
  expect(((await (await set(30)).json()) as Gitspace).auto_stop_minutes).toBe(30);
  expect(((await (await set(null)).json()) as Gitspace).auto_stop_minutes).toBeNull();
  expect((await set(0)).status).toBe(400);
});

const idle = [{ id: "hello-k3v9x2", auto_stop_minutes: 10, last_used: 0 }];
const at = 10 * MINUTE;
test.each([
  ["its minutes are over and every gateway was heard", [{ at }], at, ["hello-k3v9x2"]],
  ["its minutes are not over", [{ at }], at - 1, []],
  ["no gateway was ever heard, so nobody can tell", [], at, []],
  ["one of the gateways is silent and may know of use", [{ at }, { at: at - 91_000 }], at, []],
  [
    "a gateway that is gone for a day has nothing to tell",
    [{ at: at + 24 * 60 * MINUTE }, { at }],
    at + 24 * 60 * MINUTE,
    ["hello-k3v9x2"],
  ],
])("a Gitspace is due for its stop: %s", (_what, gateways, now, expected) => {
  expect(dueForStop(idle, gateways, now)).toEqual(expected);
});
