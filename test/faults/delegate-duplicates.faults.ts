// Offers that come five times, shuffled, late, again after a restart, or with another body: a real delegate process does each task once.
import { setTimeout as sleep } from "node:timers/promises";
import type { VmTask } from "@gitspaces/contracts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { TestControlPlane } from "../../apps/delegate/src/testing/control-plane.ts";
import { response } from "../../apps/delegate/src/testing/house.ts";
import { seeded } from "../../apps/delegate/src/testing/misbehaviour.ts";
import { type DelegateProcess, journalRows, startProcess } from "../../apps/delegate/src/testing/process.ts";
import { startRedis, type TestRedis } from "../../apps/delegate/src/testing/redis.ts";
import { startRunner, vmGone } from "../../apps/delegate/src/testing/runner.ts";
import { makeSettings, type TestSettings } from "../../apps/delegate/src/testing/settings.ts";
import { vmTask, wire } from "../../apps/delegate/src/testing/task.ts";
import { until } from "./house.ts";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
const SLOTS = 4;
let cleanup: AsyncDisposableStack;
let redis: TestRedis;
let controlPlane: TestControlPlane;
let settings: TestSettings;
beforeEach(async () => {
  cleanup = new AsyncDisposableStack();
  redis = cleanup.use(await startRedis());
  controlPlane = cleanup.use(await new TestControlPlane().open());
  settings = cleanup.use(makeSettings({ controlPlaneUrl: controlPlane.url, redisUrl: redis.url, slots: SLOTS }));
});
afterEach(() => cleanup.disposeAsync());

async function start(): Promise<DelegateProcess> {
  return cleanup.use(await startProcess(settings));
}
const isClosed = ({ id }: VmTask) => controlPlane.tasks.get(id)?.closed === true;
const isHeld = ({ id }: VmTask) => controlPlane.tasks.get(id)?.holder !== undefined;
const otherBody = (task: VmTask) => wire({ ...task, generation: 9 } as VmTask);
const isTaken = ({ id }: VmTask) => journalRows(settings).some((row) => row.id === id && row.state !== "acquiring");

test(`I2 I7 E11: every task is done once and answered with one value, whatever is offered again (seed ${seed})`, async () => {
  const random = seeded(seed);
  const pick = <T>(from: readonly T[]) => from[Math.floor(random() * from.length)];
  controlPlane.order = (offers) => offers.toSorted(() => random() - 0.5);
  const generations = new Set<number>();
  const runner = cleanup.use(
    startRunner(redis.url, async (task) => {
      generations.add(task.generation);
      await sleep(random() * 60);
      return vmGone(task);
    }),
  );
  const tasks: VmTask[] = [];
  const changed = new Set<VmTask>();
  let delegate = await start();
  for (let step = 0; step < 120; step++) {
    const dice = random();
    const known = pick(tasks);
    if (dice < 0.25 || known === undefined) {
      const task = vmTask(600_000);
      tasks.push(task);
      controlPlane.offer(wire(task), 5);
    } else if (dice < 0.7) controlPlane.offerAgain(known.id);
    else if (dice < 0.8 && isTaken(known)) {
      changed.add(known);
      controlPlane.offerAgain(known.id, otherBody(known));
    } else if (dice < 0.83) {
      await delegate.kill();
      delegate = await start();
    } else await sleep(random() * 40);
  }
  await until("every task is answered", 60_000, () => tasks.every(isClosed));
  for (const { id } of tasks.toSorted(() => random() - 0.5)) controlPlane.offerAgain(id);
  await sleep(500);
  for (const { id } of tasks) {
    const answers = controlPlane.answers.get(id) ?? [];
    expect(new Set(answers).size, `answers to ${id}`).toBe(1);
    expect(response(answers[0] ?? "").data).toMatchObject({ outcome: "ok", generation: 1 });
  }
  expect(runner.executed.toSorted()).toEqual(tasks.map(({ id }) => id).toSorted());
  expect(generations).toEqual(new Set([1]));
  expect(changed.size).toBeGreaterThan(0);
});

test("I2 E11: an id that comes again with another body is refused, counted, and told to the control plane, also after a kill", async () => {
  const gate = Promise.withResolvers<void>();
  const runner = cleanup.use(
    startRunner(redis.url, async (task) => {
      await gate.promise;
      return vmGone(task);
    }),
  );
  const first = await start();
  const task = vmTask(600_000);
  controlPlane.offer(wire(task));
  await until("the task is in the inbox", 20_000, () => isTaken(task));
  const figure = (delegate: DelegateProcess) => delegate.figure("gitspaces_delegate_task_id_reused_total");
  expect(await figure(first)).toBe(0);
  controlPlane.offerAgain(task.id, otherBody(task));
  await until("it is counted", 20_000, async () => (await figure(first)) === 1);
  gate.resolve();
  await until("the first body is answered", 20_000, () => isClosed(task));
  await first.kill();
  const second = await start();
  controlPlane.offerAgain(task.id);
  await until("it is counted by the next process", 20_000, async () => (await figure(second)) === 1);
  const notes = () => controlPlane.events.get(task.id)?.filter(({ kind }) => kind === "note") ?? [];
  await until("the control plane was told", 20_000, () => notes().length > 0);
  expect(notes()[0]?.message).toContain("another body");
  expect(runner.executed).toEqual([task.id]);
  const answers = new Set(controlPlane.answers.get(task.id));
  expect(answers.size).toBe(1);
  expect(response([...answers][0] ?? "").data).toMatchObject({ outcome: "ok", generation: 1 });
});

test("I2 I8 E11: what is beyond the delegate's places stays with the control plane, also over a kill", async () => {
  const gates: (() => void)[] = [];
  const runner = cleanup.use(
    startRunner(redis.url, async (task) => {
      await new Promise<void>((resolve) => gates.push(resolve));
      return vmGone(task);
    }),
  );
  let delegate = await start();
  const tasks = Array.from({ length: 3 * SLOTS }, () => vmTask(600_000));
  for (const task of tasks) controlPlane.offer(wire(task), 5);
  const most: number[] = [];
  const look = () => most.push(tasks.filter((task) => isHeld(task) && !isClosed(task)).length);
  for (let life = 0; life < 3; life++) {
    await until("every place is taken", 20_000, () => look() > 0 && most.at(-1) === SLOTS);
    await sleep(300);
    look();
    await delegate.kill();
    delegate = await start();
    look();
  }
  expect(Math.max(...most)).toBe(SLOTS);
  expect(runner.executed).toHaveLength(SLOTS);
  await until("the others get their places", 60_000, () => {
    for (const open of gates.splice(0)) open();
    return tasks.every(isClosed);
  });
  expect(runner.executed.toSorted()).toEqual(tasks.map(({ id }) => id).toSorted());
});
