// The delegate as a whole, against a control plane over HTTP, a real Redis and a real worker.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { failure } from "@gitspaces/contracts";
import { expect, test } from "vitest";
import { ACCOUNT } from "./testing/control-plane.ts";
import { houseForEachTest, response } from "./testing/house.ts";
import { vmGone } from "./testing/runner.ts";
import { vmTask, wire } from "./testing/task.ts";

const house = houseForEachTest();

test("a task is acquired, done by the runner and answered with the runner's answer", async () => {
  house().runner();
  await house().delegate();
  const task = vmTask();
  house().controlPlane.offer(wire(task));
  const { id, type, code, data } = response(await house().controlPlane.answered(task.id));
  expect({ id, type, code }).toEqual({ id: task.id, type: "vm.status", code: "OK" });
  expect(data).toMatchObject({ taskId: task.id, generation: 1, outcome: "ok", result: { vm: null } });
  expect(Object.keys(data.timings)).toEqual(["work", "delegateOfferedAt", "delegateAcquiredAt", "delegateAnsweredAt"]);
});

test("every request carries the sealed token and a content type, and the secret is in none of them", async () => {
  house().runner();
  await house().delegate();
  const task = vmTask();
  house().controlPlane.offer(wire(task));
  await house().controlPlane.answered(task.id);

  const [registration] = house().controlPlane.to("POST", "/register");
  expect(JSON.parse(registration?.body ?? "")).toMatchObject({
    accountId: ACCOUNT,
    delegateName: "delegate-1",
    delegateType: "DOCKER",
    ng: true,
    pollingModeEnabled: true,
    heartbeatAsObject: true,
    sequenceNum: 1,
    tags: ["pool-a", "pool-b"],
    freeSlots: 16,
    supportedTaskTypes: expect.arrayContaining(["vm.provision", "gitspace.start"]) as unknown,
  });
  expect(registration?.body).not.toContain("delegateRandomToken");
  const [acquire] = house().controlPlane.to("PUT", "/acquire");
  expect(acquire?.path).toBe(`/api/agent/v2/delegates/d-1/tasks/${task.id}/acquire`);
  expect(acquire?.query.toString()).toBe(`accountId=${ACCOUNT}&delegateInstanceId=d-1`);
  expect(acquire?.headers["content-length"]).toBe("0");
  const [answer] = house().controlPlane.to("POST", "/delegates/d-1");
  expect(answer?.path).toBe(`/api/agent/v2/tasks/${task.id}/delegates/d-1`);
  expect(house().controlPlane.to("GET", "/d-1/task-events")[0]?.query.get("waitMs")).toBe("25000");

  for (const { headers, query, token, body } of house().controlPlane.requests) {
    expect(headers["content-type"]).toBe("application/json");
    expect(headers.authorization).toMatch(/^Delegate [\w-]+\.\.[\w-]+\.[\w-]+\.[\w-]+$/);
    expect(query.get("accountId")).toBe(ACCOUNT);
    expect(token).toMatchObject({ sub: ACCOUNT, iss: "issuer", aud: ["audience"] });
    expect((token.exp ?? 0) - (token.iat ?? 0)).toBe(20 * 60);
    expect(body).not.toContain("00112233445566778899aabbccddeeff");
  }
});

test("a task that is offered five times over, in any order, is done once and answered once", async () => {
  const { executed } = house().runner(async (task) => {
    await new Promise((resolve) => setTimeout(resolve, 30));
    return vmGone(task);
  });
  await house().delegate();
  const tasks = Array.from({ length: 8 }, () => vmTask());
  for (const task of tasks) house().controlPlane.offer(wire(task), 5);
  for (const task of [...tasks, ...tasks, ...tasks].toSorted(() => Math.random() - 0.5))
    house().controlPlane.offerAgain(task.id);
  for (const task of tasks) await house().controlPlane.answered(task.id);
  expect(executed.toSorted()).toEqual(tasks.map((task) => task.id).toSorted());
  for (const task of tasks) expect(new Set(house().controlPlane.answers.get(task.id)).size).toBe(1);
});

test("a task offered again after its answer is not done again: the stored answer is sent, byte for byte", async () => {
  const { executed } = house().runner();
  const prepared = house().settings();
  const first = await house().delegate(prepared);
  const task = vmTask();
  house().controlPlane.offer(wire(task));
  await house().controlPlane.answered(task.id);
  house().controlPlane.offerAgain(task.id);
  await house().controlPlane.until(() => house().controlPlane.answers.get(task.id)?.length === 2);
  await first[Symbol.asyncDispose]();
  await house().delegate(prepared);
  house().controlPlane.offerAgain(task.id);
  await house().controlPlane.until(() => house().controlPlane.answers.get(task.id)?.length === 3);
  expect(new Set(house().controlPlane.answers.get(task.id)).size).toBe(1);
  expect(executed).toEqual([task.id]);
});

test("a task is answered with timeout at its deadline; its result is stored later and changes nothing", async () => {
  let finish = () => {};
  house().runner(async (task) => {
    await new Promise<void>((resolve) => (finish = resolve));
    return vmGone(task);
  });
  const prepared = house().settings();
  await house().delegate(prepared);
  const task = vmTask(400);
  house().controlPlane.offer(wire(task));
  const { code, data } = response(await house().controlPlane.answered(task.id));
  expect(code).toBe("FAILED");
  expect(data).toMatchObject({ outcome: "failed", failure: { code: "timeout" } });
  expect(Date.now()).toBeGreaterThanOrEqual(task.deadline);
  finish();
  const late = () => {
    const db = new DatabaseSync(join(prepared.folder, "delegate.db"), { readOnly: true });
    const row = db.prepare("SELECT late_answer FROM tasks WHERE id = ?").get(task.id);
    db.close();
    return row?.["late_answer"];
  };
  await house().controlPlane.until(() => typeof late() === "string");
  expect(JSON.parse(String(late()))).toMatchObject({ outcome: "ok" });
  expect(house().controlPlane.answers.get(task.id)).toHaveLength(1);
});

test("a cancelled task is answered as cancelled, and a runner that comes later does not do it", async () => {
  await house().delegate();
  const task = vmTask();
  house().controlPlane.offer(wire(task));
  await house().controlPlane.until(() => house().controlPlane.tasks.get(task.id)?.holder !== undefined);
  house().controlPlane.cancel(task.id);
  const { data } = response(await house().controlPlane.answered(task.id));
  expect(data).toMatchObject({ outcome: "failed", failure: { code: "cancelled" } });
  const { executed } = house().runner();
  const next = vmTask();
  house().controlPlane.offer(wire(next));
  await house().controlPlane.answered(next.id);
  expect(executed).toEqual([next.id]);
});

test("a failure that the runner answers with arrives as FAILED", async () => {
  house().runner(async (task) => ({
    taskId: task.id,
    generation: 1,
    timings: {},
    outcome: "failed",
    failure: failure("no_capacity", "The pool is full."),
  }));
  await house().delegate();
  const task = vmTask();
  house().controlPlane.offer(wire(task));
  const { code, data } = response(await house().controlPlane.answered(task.id));
  expect(code).toBe("FAILED");
  expect(data).toMatchObject({ failure: { code: "no_capacity", message: "The pool is full.", retry: "later" } });
});

test("a task of the runner's form is answered at its endpoint, in base64", async () => {
  house().runner();
  await house().delegate();
  const task = vmTask();
  house().controlPlane.offer({ ...wire(task), runnerResponse: true });
  const body = JSON.parse(await house().controlPlane.answered(task.id)) as { code: string; data: string };
  const [posted] = house().controlPlane.to("POST", "/executions/");
  expect(posted?.path).toBe(`/api/executions/${task.id}/response`);
  expect(posted?.query.get("delegateId")).toBe("d-1");
  expect(body.code).toBe("OK");
  expect(JSON.parse(Buffer.from(body.data, "base64").toString())).toMatchObject({ taskId: task.id, outcome: "ok" });
});

test("an offer is acted on at once where the control plane holds the question", async () => {
  house().runner();
  await house().delegate();
  const first = vmTask();
  house().controlPlane.offer(wire(first));
  await house().controlPlane.answered(first.id);
  const times: number[] = [];
  for (let round = 0; round < 10; round++) {
    const task = vmTask();
    const begun = performance.now();
    house().controlPlane.offer(wire(task));
    await house().controlPlane.until(() => house().controlPlane.tasks.get(task.id)?.closed === true);
    times.push(performance.now() - begun);
  }
  expect(times.toSorted((a, b) => a - b)[5]).toBeLessThan(100);
});

test("stopping hands nothing back: what was unfinished goes on after the next start", async () => {
  const prepared = house().settings();
  const first = await house().delegate(prepared);
  const task = vmTask();
  house().controlPlane.offer(wire(task));
  await house().controlPlane.until(() => house().controlPlane.tasks.get(task.id)?.holder !== undefined);
  await first[Symbol.asyncDispose]();
  expect(house().controlPlane.answers.has(task.id)).toBe(false);
  expect(existsSync(join(prepared.folder, "delegate.db"))).toBe(true);
  const { executed } = house().runner();
  await house().delegate(prepared);
  expect(response(await house().controlPlane.answered(task.id)).code).toBe("OK");
  expect(executed).toEqual([task.id]);
});
