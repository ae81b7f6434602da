// Which offers become work, and which do not.
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { houseForEachTest, response } from "./testing/house.ts";
import { vmGone } from "./testing/runner.ts";
import { quiet } from "./testing/settings.ts";
import { vmTask, wire } from "./testing/task.ts";

const house = houseForEachTest();

test("an id that comes again with another body is refused, and the alarm is in the log", async () => {
  const { executed } = house().runner();
  const alarms: unknown[] = [];
  const log = quiet.child({}, { level: "silent" });
  await house().delegate(house().settings(), log);
  log.error = (fields: unknown) => void alarms.push(fields);
  const task = vmTask();
  house().controlPlane.offer(wire(task));
  await house().controlPlane.answered(task.id);
  house().controlPlane.offerAgain(task.id, wire({ ...task, generation: 9 } as typeof task));
  await house().controlPlane.until(() => alarms.length > 0);
  expect(alarms).toEqual([{ taskId: task.id, alarm: "task_id_reused" }]);
  expect(executed).toEqual([task.id]);
  expect(house().controlPlane.answers.get(task.id)).toHaveLength(1);
});

test("a task of an unknown type is answered as unsupported", async () => {
  await house().delegate();
  const id = randomUUID();
  house().controlPlane.offer({ id, type: "DLITE_CI_VM_EXECUTE_TASK", data: { anything: true }, timeout: 60_000 });
  const { code, data } = response(await house().controlPlane.answered(id));
  expect(code).toBe("FAILED");
  expect(data).toMatchObject({ taskId: id, outcome: "failed", failure: { code: "unsupported", retry: "never" } });
});

test("a task whose body is wrong is answered with the field that is", async () => {
  await house().delegate();
  const task = vmTask();
  house().controlPlane.offer({ ...wire(task), data: { ...task, generation: 3, data: { surprise: 1 } } });
  const { code, data } = response(await house().controlPlane.answered(task.id));
  expect(code).toBe("FAILED");
  expect(data).toMatchObject({ generation: 3, outcome: "failed", failure: { code: "bad_request", field: "data" } });
});

test("a task that another delegate acquired is dropped, and its place is free again", async () => {
  house().runner();
  await house().delegate(house().settings(1));
  const lost = vmTask();
  house().controlPlane.intercept = ({ path }) => (path.includes(lost.id) ? 409 : undefined);
  house().controlPlane.offer(wire(lost));
  await house().controlPlane.until(() => house().controlPlane.to("PUT", lost.id).length > 0);
  house().controlPlane.tasks.delete(lost.id);
  const task = vmTask();
  house().controlPlane.offer(wire(task));
  await house().controlPlane.answered(task.id);
  expect(house().controlPlane.answers.has(lost.id)).toBe(false);
});

test("an acquire whose answer was lost is asked again until it is clear who holds the task", async () => {
  house().runner();
  await house().delegate();
  let cuts = 0;
  house().controlPlane.interceptAfter = ({ path }) => (path.endsWith("/acquire") && ++cuts <= 2 ? "cut" : undefined);
  const task = vmTask();
  house().controlPlane.offer(wire(task));
  expect(response(await house().controlPlane.answered(task.id)).code).toBe("OK");
  expect(cuts).toBe(3);
});

test("an acquire whose answer was garbled is asked again: it may have made us the holder", async () => {
  house().runner();
  await house().delegate();
  let garbled = 0;
  house().controlPlane.interceptAfter = ({ path }) =>
    path.endsWith("/acquire") && ++garbled <= 2 ? "truncate" : undefined;
  const task = vmTask();
  house().controlPlane.offer(wire(task));
  expect(response(await house().controlPlane.answered(task.id)).code).toBe("OK");
  expect(garbled).toBe(3);
});

test("only what can start now is acquired; the rest stays with the control plane until a place is free", async () => {
  const gates = new Map<string, () => void>();
  const { executed } = house().runner(async (task) => {
    await new Promise<void>((resolve) => gates.set(task.id, resolve));
    return vmGone(task);
  });
  await house().delegate(house().settings(2));
  const tasks = [vmTask(), vmTask(), vmTask()];
  for (const task of tasks) house().controlPlane.offer(wire(task));
  await house().controlPlane.until(() => gates.size === 2);
  await house().controlPlane.until(() =>
    house()
      .controlPlane.to("POST", "/heartbeat")
      .some(({ body }) => body.includes('"freeSlots":0')),
  );
  expect(house().controlPlane.to("PUT", "/acquire")).toHaveLength(2);
  gates.get(executed[0] ?? "")?.();
  await house().controlPlane.until(() => gates.size === 3);
  for (const open of gates.values()) open();
  for (const task of tasks) await house().controlPlane.answered(task.id);
});
