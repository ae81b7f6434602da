// Answers arrive, whatever the control plane does in the meantime.
import { join } from "node:path";
import { expect, test } from "vitest";
import { openJournal } from "./journal.ts";
import { TestControlPlane } from "./testing/control-plane.ts";
import { houseForEachTest, response } from "./testing/house.ts";
import { vmGone } from "./testing/runner.ts";
import { vmTask, wire } from "./testing/task.ts";

const house = houseForEachTest();

test("answers wait for a control plane that is away, and arrive when it is back", async () => {
  const gate = Promise.withResolvers<void>();
  house().runner(async (task) => {
    await gate.promise;
    return vmGone(task);
  });
  const prepared = house().settings();
  await house().delegate(prepared);
  const task = vmTask();
  house().controlPlane.offer(wire(task));
  await house().controlPlane.until(() => house().controlPlane.tasks.get(task.id)?.holder !== undefined);
  const port = await house().controlPlane.close();
  gate.resolve();
  const stored = () => {
    const journal = openJournal(join(prepared.folder, "delegate.db"), Date.now);
    const unsent = journal.unsent();
    journal[Symbol.dispose]();
    return unsent.includes(task.id);
  };
  await house().controlPlane.until(stored);
  const back = house().cleanup.use(new TestControlPlane());
  back.tasks.set(task.id, { wire: wire(task), copies: 1, holder: "d-1", closed: false, again: false });
  await back.open(port);
  expect(response(await back.answered(task.id)).code).toBe("OK");
});

test("a control plane that fails now and then gets every answer in the end, always the same bytes", async () => {
  house().runner();
  await house().delegate();
  const attempts = new Map<string, number>();
  house().controlPlane.intercept = ({ method, path }) => {
    if (/register|task-events|heartbeat/.test(path)) return undefined;
    const attempt = (attempts.get(method + path) ?? 0) + 1;
    attempts.set(method + path, attempt);
    return ([500, "cut"] as const)[attempt - 1];
  };
  house().controlPlane.interceptAfter = ({ method, path }) => (attempts.get(method + path) === 3 ? "cut" : undefined);
  const tasks = Array.from({ length: 5 }, () => vmTask());
  for (const task of tasks) house().controlPlane.offer(wire(task));
  for (const task of tasks) await house().controlPlane.answered(task.id);
  for (const task of tasks) {
    const [first, second, ...more] = house().controlPlane.answers.get(task.id) ?? [];
    expect(first).toBeTypeOf("string");
    expect(second).toBe(first);
    expect(more).toEqual([]);
  }
});

test("an answer that the control plane does not want is not sent forever", async () => {
  house().runner();
  await house().delegate();
  const task = vmTask();
  house().controlPlane.intercept = ({ method, path }) =>
    method === "POST" && path.includes("/delegates/d-") ? 410 : undefined;
  house().controlPlane.offer(wire(task));
  await house().controlPlane.until(() => house().controlPlane.to("POST", task.id).length === 1);
  await new Promise((resolve) => setTimeout(resolve, 600));
  expect(house().controlPlane.to("POST", task.id)).toHaveLength(1);
});

test("a control plane that forgot the delegate, but not the task, still gets the answer", async () => {
  const gate = Promise.withResolvers<void>();
  house().runner(async (task) => {
    await gate.promise;
    return vmGone(task);
  });
  await house().delegate();
  const task = vmTask();
  house().controlPlane.offer(wire(task));
  await house().controlPlane.until(() => house().controlPlane.tasks.get(task.id)?.holder !== undefined);
  house().controlPlane.intercept = ({ path }) => (path.includes("task-events") ? "hang" : undefined);
  house().controlPlane.forgetDelegates();
  gate.resolve();
  expect(response(await house().controlPlane.answered(task.id)).code).toBe("OK");
});
