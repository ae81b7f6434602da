// What an administrator is told of the hops, by a control plane with delegates that do and do not do their work.
import type { InstallationHealth } from "@gitspaces/contracts";
import { expect, test } from "vitest";
import { eventually, testControlPlane, type TestControlPlane } from "../testing/control-plane.ts";
import { connect, type TestDelegate } from "../testing/delegate.ts";
import { checkedCalls } from "../testing/openapi.ts";
import { PROBE_GITSPACE } from "../store/probes.ts";

async function ask(plane: TestControlPlane): Promise<InstallationHealth> {
  const { call } = await checkedCalls(plane);
  const { status, body } = await call("GET", "/api/v1/installation/health");
  expect(status).toBe(200);
  return body as InstallationHealth;
}

const pools = [{ name: "default", warm: 2, target: 2, taken: 3, max: 10, trouble: null }];

async function answerProbe(delegate: TestDelegate): Promise<void> {
  const task = await delegate.take();
  expect(task).toMatchObject({ type: "vm.status", gitspaceId: PROBE_GITSPACE, data: { pools: true } });
  await delegate.succeed(task, { vm: null, pools });
}

test("without delegates and gateways there is nobody to ask, and that is what it says", async () => {
  await using plane = await testControlPlane();
  expect(await ask(plane)).toMatchObject({
    control_plane: { ready: true, message: null },
    delegates: [],
    gateways: [],
    agent: null,
  });
});

test("I14: each delegate is asked by a task of its own, and what comes back is told with its pools", async () => {
  await using plane = await testControlPlane();
  const [one, two] = [
    await connect(plane, { delegateName: "one", freeSlots: 3 }),
    await connect(plane, { delegateName: "two" }),
  ];
  const [health] = await Promise.all([ask(plane), answerProbe(one), answerProbe(two)]);
  expect(health.delegates).toMatchObject([
    { name: "one", connected: true, free_slots: 3, runner: { outcome: "ok" }, pools },
    { name: "two", connected: true, free_slots: null, runner: { outcome: "ok" }, pools },
  ]);
  // Who asks at the same time shares the question.
  const together = Promise.all([ask(plane), ask(plane)]);
  await Promise.all([answerProbe(one), answerProbe(two)]);
  const [first, second] = await together;
  expect(second).toEqual(first);
  expect(await one.poll(0)).toEqual([]);
});

test("I14: a delegate that takes nothing and a runner that answers nothing are told apart", async () => {
  await using plane = await testControlPlane();
  const taker = await connect(plane, { delegateName: "taker" });
  await connect(plane, { delegateName: "idler" });
  const [health] = await Promise.all([ask(plane), taker.take()]);
  expect(health.delegates).toMatchObject([
    { name: "idler", runner: { outcome: "not_taken" }, pools: null },
    { name: "taker", runner: { outcome: "no_answer" }, pools: null },
  ]);
  expect(health.tasks).toEqual({ offered: 0, acquired: 0 });
}, 20_000);

test("a delegate that is not selected is not asked, so that nobody takes it for one that hangs", async () => {
  await using plane = await testControlPlane({ delegateSelectors: "eu" });
  const chosen = await connect(plane, { delegateName: "chosen", tags: ["eu"] });
  await connect(plane, { delegateName: "spare", tags: ["us"] });
  const [health] = await Promise.all([ask(plane), answerProbe(chosen)]);
  expect(health.delegates).toMatchObject([
    { name: "chosen", connected: true, runner: { outcome: "ok" } },
    { name: "spare", connected: true, runner: null },
  ]);
});

test("a round trip that fails says why, and leaves no Gitspace and no task behind", async () => {
  await using plane = await testControlPlane();
  const delegate = await connect(plane);
  const [health] = await Promise.all([ask(plane), delegate.take().then((task) => delegate.fail(task, "internal"))]);
  expect(health.delegates[0]?.runner).toMatchObject({ outcome: "failed", message: "no: internal" });
  expect(await (await plane.call("GET", "/api/v1/gitspaces?gitspace_owner=all")).json()).toEqual([]);
  expect((await plane.call("GET", `/api/v1/gitspaces/${PROBE_GITSPACE}`)).status).toBe(404);
  expect(await delegate.poll(0)).toEqual([]);
});

test("a gateway is known by its last report, with its routes", async () => {
  let now = Date.now();
  await using plane = await testControlPlane({ clock: { now: () => now } });
  const report = { kind: "health", gateway: "g1", version: "1", healthy: true, routes: 7, at: now - 3_600_000 };
  const headers = { authorization: `Bearer ${plane.gatewayToken}`, "content-type": "application/json" };
  await eventually(async () => {
    const answer = await plane.call("POST", "/api/gateway/v1/reports", { reports: [report] }, headers);
    return answer.ok ? true : undefined;
  }, "the report");
  // Its own clock is an hour behind; what counts is when it was heard.
  expect((await ask(plane)).gateways).toMatchObject([{ name: "g1", connected: true, healthy: true, routes: 7 }]);
  now += 80_000;
  expect((await ask(plane)).gateways).toMatchObject([{ name: "g1", connected: false }]);
});
