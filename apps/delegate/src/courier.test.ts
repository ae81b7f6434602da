// Events on their way to the control plane.
import { expect, test } from "vitest";
import { houseForEachTest } from "./testing/house.ts";
import { eventOf, vmGone } from "./testing/runner.ts";
import { vmTask, wire } from "./testing/task.ts";

const house = houseForEachTest();

test("events arrive once each, in order, and before the answer", async () => {
  house().runner(async (task, job) => {
    const events = [];
    for (let seq = 1; seq <= 40; seq++) {
      events.push(eventOf(task, seq));
      await job.updateProgress({ events });
    }
    return vmGone(task);
  });
  await house().delegate();
  const task = vmTask();
  house().controlPlane.offer(wire(task));
  await house().controlPlane.answered(task.id);
  const arrived = house()
    .controlPlane.events.get(task.id)
    ?.map(({ seq }) => seq);
  expect(arrived).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
  const order = house().controlPlane.requests.filter(({ method, path }) => method === "POST" && path.includes(task.id));
  expect(order.at(-1)?.path).toContain("/delegates/");
});

test("a control plane without an events endpoint is asked once per task, and answers are not held up", async () => {
  house().runner(async (task, job) => {
    await job.updateProgress({ events: [eventOf(task, 1)] });
    await new Promise((resolve) => setTimeout(resolve, 50));
    await job.updateProgress({ events: [eventOf(task, 1), eventOf(task, 2)] });
    return vmGone(task);
  });
  await house().delegate();
  house().controlPlane.intercept = ({ path }) => (path.endsWith("/events") ? 404 : undefined);
  const task = vmTask();
  house().controlPlane.offer(wire(task));
  await house().controlPlane.answered(task.id);
  expect(house().controlPlane.to("POST", "/events")).toHaveLength(1);
});

test("an events endpoint that never answers holds the answer up for two seconds at most", async () => {
  house().runner(async (task, job) => {
    await job.updateProgress({ events: [eventOf(task, 1)] });
    return vmGone(task);
  });
  await house().delegate();
  house().controlPlane.intercept = ({ path }) => (path.endsWith("/events") ? "hang" : undefined);
  const task = vmTask();
  house().controlPlane.offer(wire(task));
  const begun = performance.now();
  await house().controlPlane.answered(task.id);
  expect(performance.now() - begun).toBeGreaterThan(1_800);
  expect(performance.now() - begun).toBeLessThan(4_000);
});
