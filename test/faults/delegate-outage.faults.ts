// A control plane that is away, slow, garbled or somebody else: a real delegate process keeps every answer and brings it later.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { VmTask } from "@gitspaces/contracts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeCa } from "../../apps/delegate/src/testing/certificates.ts";
import { TestControlPlane } from "../../apps/delegate/src/testing/control-plane.ts";
import { response } from "../../apps/delegate/src/testing/house.ts";
import { seeded, type Verdict } from "../../apps/delegate/src/testing/misbehaviour.ts";
import { type DelegateProcess, journalRows, startProcess } from "../../apps/delegate/src/testing/process.ts";
import { startRedis, type TestRedis } from "../../apps/delegate/src/testing/redis.ts";
import { eventOf, startRunner, vmGone } from "../../apps/delegate/src/testing/runner.ts";
import { makeSettings, type TestSettings } from "../../apps/delegate/src/testing/settings.ts";
import { vmTask, wire } from "../../apps/delegate/src/testing/task.ts";
import { until } from "./house.ts";

const MINUTE = 60_000;
const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
let cleanup: AsyncDisposableStack;
let redis: TestRedis;
let controlPlane: TestControlPlane;
beforeEach(async () => {
  cleanup = new AsyncDisposableStack();
  redis = cleanup.use(await startRedis());
  controlPlane = cleanup.use(new TestControlPlane());
});
afterEach(() => cleanup.disposeAsync());

function settingsFor(slots = 32): TestSettings {
  return cleanup.use(makeSettings({ controlPlaneUrl: controlPlane.url, redisUrl: redis.url, slots }));
}
async function start(...args: Parameters<typeof startProcess>): Promise<DelegateProcess> {
  return cleanup.use(await startProcess(...args));
}
function offer(count: number, lifeMs?: number): VmTask[] {
  const tasks = Array.from({ length: count }, () => vmTask(lifeMs));
  for (const task of tasks) controlPlane.offer(wire(task));
  return tasks;
}
const isHeld = (task: VmTask) => controlPlane.tasks.get(task.id)?.holder !== undefined;
const isClosed = (task: VmTask) => controlPlane.tasks.get(task.id)?.closed === true;

// The delegate's clock, timers and all, runs 240 times as fast while the control plane is away: 15 seconds are its hour.
test("I2 I8 E10: after an hour without the control plane and two kills, every answer arrives as it was first written", async () => {
  const gates = new Map<string, () => void>();
  cleanup.use(
    startRunner(redis.url, async (task) => {
      await new Promise<void>((resolve) => gates.set(task.id, resolve));
      return vmGone(task);
    }),
  );
  await controlPlane.open();
  const settings = settingsFor();
  const first = await start(settings);
  const [early, late, overdue] = [offer(5, 180 * MINUTE), offer(5, 180 * MINUTE), offer(5, 20 * MINUTE)];
  const all = [...early, ...late, ...overdue];
  await until("the runner has every task", 20_000, () => gates.size === all.length && all.every(isHeld));
  const port = await controlPlane.close();
  await first.kill();

  const open = (tasks: VmTask[]) => {
    for (const { id } of tasks) gates.get(id)?.();
  };
  const second = await start(settings, { time: "+0 x240", atOnce: true });
  open(early);
  await sleep(7_500);
  await second.kill();
  const third = await start(settings, { time: "+30m x240", atOnce: true });
  open(late);
  await sleep(7_500);
  const answered = () => journalRows(settings).filter(({ answer }) => answer !== null);
  await until("every task is answered on disk", 30_000, () => answered().length === all.length);
  await third.kill();
  const written = new Map(answered().map(({ id, answer }) => [id, answer]));
  for (const row of answered().filter(({ id }) => overdue.some((task) => task.id === id))) {
    const { deadline } = overdue.find((task) => task.id === row.id) as VmTask;
    expect(row.changed_at).toBeGreaterThanOrEqual(deadline);
    expect(row.changed_at).toBeLessThan(deadline + MINUTE);
  }

  await start(settings, { time: "+61m", atOnce: true });
  await controlPlane.open(port);
  await until("the control plane has every answer", 30_000, () => all.every(isClosed));
  for (const { id } of all) expect(new Set(controlPlane.answers.get(id))).toEqual(new Set([written.get(id)]));
  for (const { id } of [...early, ...late]) expect(response(written.get(id) ?? "").code).toBe("OK");
  for (const { id } of overdue)
    expect(response(written.get(id) ?? "").data).toMatchObject({ failure: { code: "timeout" } });
});

test(`I2 I8 E10: slow, cut, garbled, refusing and far too long answers, and three kills: each task is done and answered once (seed ${seed})`, async () => {
  const random = seeded(seed);
  const pick = <T>(from: readonly T[]) => from[Math.floor(random() * from.length)] as T;
  const bad = (verdicts: readonly Verdict[]) => () => (random() < 0.5 ? pick(verdicts) : undefined);
  const runner = cleanup.use(
    startRunner(redis.url, async (task, job) => {
      await job.updateProgress({ events: [eventOf(task, 1), eventOf(task, 2)] });
      await sleep(50);
      return vmGone(task);
    }),
  );
  await controlPlane.open();
  const settings = settingsFor(8);
  controlPlane.intercept = bad(["cut", "storm", "loris", 500, 502, 503, 429, 408]);
  controlPlane.interceptAfter = bad(["cut", "storm", "dribble", "truncate", "huge", 500, 429]);
  const tasks = offer(20, 60 * MINUTE);
  // Ten times as fast, so that its time limits for what never ends are seconds here.
  for (let life = 0; life < 3; life++) {
    const running = await start(settings, { time: "+0 x10", atOnce: true });
    const closedBefore = tasks.filter(isClosed).length;
    await until("some got through", 30_000, () => tasks.filter(isClosed).length >= Math.min(20, closedBefore + 4));
    await running.kill();
  }
  await start(settings, { time: "+0 x10", atOnce: true });
  await until("all but the last faults are over", 30_000, () => tasks.filter(isClosed).length >= 15);
  controlPlane.intercept = () => undefined;
  controlPlane.interceptAfter = () => undefined;
  await until("the control plane has every answer", 60_000, () => tasks.every(isClosed));
  const has = (id: string, wanted: number) => controlPlane.events.get(id)?.some(({ seq }) => seq === wanted) === true;
  await until("it has every event too", 30_000, () => tasks.every(({ id }) => has(id, 1) && has(id, 2)));
  for (const { id } of tasks) {
    const answers = controlPlane.answers.get(id) ?? [];
    expect(new Set(answers).size, `answers to ${id}`).toBe(1);
    expect(response(answers[0] ?? "").code).toBe("OK");
  }
  expect(runner.executed.toSorted()).toEqual(tasks.map(({ id }) => id).toSorted());
});

test("I2 I8 I14 E10: behind another certificate nothing is sent and readiness says why; with the right one every answer comes", async () => {
  using trusted = makeCa();
  using strange = makeCa();
  const host = "control-plane.localhost";
  const gate = Promise.withResolvers<void>();
  cleanup.use(
    startRunner(redis.url, async (task) => {
      await gate.promise;
      return vmGone(task);
    }),
  );
  await controlPlane.open(0, trusted.forHost(host));
  const settings = settingsFor();
  const caFile = join(settings.folder, "control-plane-ca.pem");
  writeFileSync(caFile, trusted.certificate);
  const variables = { GITSPACES_CONTROL_PLANE_CA_FILE: caFile };
  const first = await start(settings, { variables });
  const tasks = offer(6);
  await until("the delegate has the tasks", 20_000, () => tasks.every(isHeld));
  const port = await controlPlane.close();
  await using impostor = await new TestControlPlane().open(port, strange.forHost(host));

  const complains = async (delegate: DelegateProcess) => {
    const reason = (await delegate.readiness())?.reasons["controlPlane"] ?? "";
    return reason.includes("certificate is not trusted");
  };
  await until("readiness says why", 15_000, () => complains(first));
  gate.resolve();
  await until("the answers are on disk", 20_000, () => journalRows(settings).every(({ answer }) => answer !== null));
  await first.kill();
  const second = await start(settings, { variables, atOnce: true });
  await until("readiness says why, after a restart too", 15_000, () => complains(second));
  expect(impostor.requests).toEqual([]);

  const written = new Map(journalRows(settings).map(({ id, answer }) => [id, answer]));
  await impostor.close();
  await controlPlane.open(port, trusted.forHost(host));
  await until("the control plane has every answer", 30_000, () => tasks.every(isClosed));
  for (const { id } of tasks) expect(new Set(controlPlane.answers.get(id))).toEqual(new Set([written.get(id)]));
  await until("readiness speaks of it no more", 15_000, async () => !(await complains(second)));
});
