// The delegate against a control plane over HTTP, a real Redis and a real worker.
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Answer, failure, type TaskResponse } from "@gitspaces/contracts";
import { DatabaseSync } from "node:sqlite";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { startDelegate } from "./delegate.ts";
import { openJournal } from "./journal.ts";
import { ACCOUNT, TestControlPlane } from "./testing/control-plane.ts";
import { startRedis, type TestRedis } from "./testing/redis.ts";
import { eventOf, type Handler, startRunner, vmGone } from "./testing/runner.ts";
import { makeSettings, quiet, type TestSettings } from "./testing/settings.ts";
import { vmTask, wire } from "./testing/task.ts";

let redis: TestRedis;
let controlPlane: TestControlPlane;
let cleanup: AsyncDisposableStack;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis[Symbol.asyncDispose]());
beforeEach(async () => {
  cleanup = new AsyncDisposableStack();
  controlPlane = cleanup.use(await new TestControlPlane().open());
});
afterEach(() => cleanup.disposeAsync());

function settings(slots = 16): TestSettings {
  return cleanup.use(makeSettings({ controlPlaneUrl: controlPlane.url, redisUrl: redis.url, slots }));
}
async function delegate(with_: TestSettings = settings()): Promise<AsyncDisposable> {
  return cleanup.use(await startDelegate(with_.config, quiet, new AbortController().signal));
}
function runner(handle?: Handler) {
  return cleanup.use(startRunner(redis.url, handle));
}
function response(text: string): TaskResponse & { data: Answer } {
  const read = JSON.parse(text) as TaskResponse;
  return { ...read, data: Answer.parse(read.data) };
}

test("a task is acquired, done by the runner and answered with the runner's answer", async () => {
  runner();
  await delegate();
  const task = vmTask();
  controlPlane.offer(wire(task));
  const { id, type, code, data } = response(await controlPlane.answered(task.id));
  expect({ id, type, code }).toEqual({ id: task.id, type: "vm.status", code: "OK" });
  expect(data).toMatchObject({ taskId: task.id, generation: 1, outcome: "ok", result: { vm: null } });
  expect(Object.keys(data.timings)).toEqual(["work", "delegateOfferedAt", "delegateAcquiredAt", "delegateAnsweredAt"]);
});

test("every request carries the sealed token and a content type, and the secret is in none of them", async () => {
  runner();
  await delegate();
  const task = vmTask();
  controlPlane.offer(wire(task));
  await controlPlane.answered(task.id);

  const [registration] = controlPlane.to("POST", "/register");
  expect(JSON.parse(registration?.body ?? "")).toMatchObject({
    ...{ accountId: ACCOUNT, delegateName: "delegate-1", delegateType: "DOCKER", ng: true, pollingModeEnabled: true },
    ...{ heartbeatAsObject: true, sequenceNum: 1, tags: ["pool-a", "pool-b"], freeSlots: 16 },
    supportedTaskTypes: expect.arrayContaining(["vm.provision", "gitspace.start"]) as unknown,
  });
  expect(registration?.body).not.toContain("delegateRandomToken");
  const [acquire] = controlPlane.to("PUT", "/acquire");
  expect(acquire?.path).toBe(`/api/agent/v2/delegates/d-1/tasks/${task.id}/acquire`);
  expect(acquire?.query.toString()).toBe(`accountId=${ACCOUNT}&delegateInstanceId=d-1`);
  expect(acquire?.headers["content-length"]).toBe("0");
  const [answer] = controlPlane.to("POST", "/delegates/d-1");
  expect(answer?.path).toBe(`/api/agent/v2/tasks/${task.id}/delegates/d-1`);
  expect(controlPlane.to("GET", "/d-1/task-events")[0]?.query.get("waitMs")).toBe("25000");

  for (const { headers, query, token, body } of controlPlane.requests) {
    expect(headers["content-type"]).toBe("application/json");
    expect(headers.authorization).toMatch(/^Delegate [\w-]+\.\.[\w-]+\.[\w-]+\.[\w-]+$/);
    expect(query.get("accountId")).toBe(ACCOUNT);
    expect(token).toMatchObject({ sub: ACCOUNT, iss: "issuer", aud: ["audience"] });
    expect((token.exp ?? 0) - (token.iat ?? 0)).toBe(20 * 60);
    expect(body).not.toContain("00112233445566778899aabbccddeeff");
  }
});

test("a task that is offered five times over, in any order, is done once and answered once", async () => {
  const { executed } = runner(async (task) => {
    await new Promise((resolve) => setTimeout(resolve, 30));
    return vmGone(task);
  });
  await delegate();
  const tasks = Array.from({ length: 8 }, () => vmTask());
  for (const task of tasks) controlPlane.offer(wire(task), 5);
  for (const task of [...tasks, ...tasks, ...tasks].toSorted(() => Math.random() - 0.5))
    controlPlane.offerAgain(task.id);
  for (const task of tasks) await controlPlane.answered(task.id);
  expect(executed.toSorted()).toEqual(tasks.map((task) => task.id).toSorted());
  for (const task of tasks) expect(new Set(controlPlane.answers.get(task.id)).size).toBe(1);
});

test("a task offered again after its answer is not done again: the stored answer is sent, byte for byte", async () => {
  const { executed } = runner();
  const with_ = settings();
  const first = await delegate(with_);
  const task = vmTask();
  controlPlane.offer(wire(task));
  await controlPlane.answered(task.id);
  controlPlane.offerAgain(task.id);
  await controlPlane.until(() => controlPlane.answers.get(task.id)?.length === 2);
  await first[Symbol.asyncDispose]();
  await delegate(with_);
  controlPlane.offerAgain(task.id);
  await controlPlane.until(() => controlPlane.answers.get(task.id)?.length === 3);
  expect(new Set(controlPlane.answers.get(task.id)).size).toBe(1);
  expect(executed).toEqual([task.id]);
});

test("an id that comes again with another body is refused, and the alarm is in the log", async () => {
  const { executed } = runner();
  const alarms: unknown[] = [];
  const log = quiet.child({}, { level: "silent" });
  const { config } = settings();
  const running = startDelegate({ ...config, logLevel: "error" }, log, new AbortController().signal);
  cleanup.use(await running);
  log.error = ((fields: unknown) => void alarms.push(fields)) as typeof log.error;
  const task = vmTask();
  controlPlane.offer(wire(task));
  await controlPlane.answered(task.id);
  controlPlane.offerAgain(task.id, wire({ ...task, generation: 9 } as typeof task));
  await controlPlane.until(() => alarms.length > 0);
  expect(alarms).toEqual([{ taskId: task.id, alarm: "task_id_reused" }]);
  expect(executed).toEqual([task.id]);
  expect(controlPlane.answers.get(task.id)).toHaveLength(1);
});

test("a task of an unknown type is answered as unsupported", async () => {
  await delegate();
  const id = randomUUID();
  controlPlane.offer({ id, type: "DLITE_CI_VM_EXECUTE_TASK", data: { anything: true }, timeout: 60_000 });
  const { code, data } = response(await controlPlane.answered(id));
  expect(code).toBe("FAILED");
  expect(data).toMatchObject({ taskId: id, outcome: "failed", failure: { code: "unsupported", retry: "never" } });
});

test("a task whose body is wrong is answered with the field that is", async () => {
  await delegate();
  const task = vmTask();
  controlPlane.offer({ ...wire(task), data: { ...task, generation: 3, data: { surprise: 1 } } });
  const { code, data } = response(await controlPlane.answered(task.id));
  expect(code).toBe("FAILED");
  expect(data).toMatchObject({ generation: 3, outcome: "failed", failure: { code: "bad_request", field: "data" } });
});

test("a task that another delegate acquired is dropped, and its place is free again", async () => {
  runner();
  await delegate(settings(1));
  const lost = vmTask();
  controlPlane.intercept = ({ path }) => (path.includes(lost.id) ? 409 : undefined);
  controlPlane.offer(wire(lost));
  await controlPlane.until(() => controlPlane.to("PUT", lost.id).length > 0);
  controlPlane.tasks.delete(lost.id);
  const task = vmTask();
  controlPlane.offer(wire(task));
  await controlPlane.answered(task.id);
  expect(controlPlane.answers.has(lost.id)).toBe(false);
});

test("an acquire whose answer was lost is asked again until it is clear who holds the task", async () => {
  runner();
  await delegate();
  let cuts = 0;
  controlPlane.interceptAfter = ({ path }) => (path.endsWith("/acquire") && ++cuts <= 2 ? "cut" : undefined);
  const task = vmTask();
  controlPlane.offer(wire(task));
  expect(response(await controlPlane.answered(task.id)).code).toBe("OK");
  expect(cuts).toBe(3);
});

test("only what can start now is acquired; the rest stays with the control plane until a place is free", async () => {
  const gates = new Map<string, () => void>();
  const { executed } = runner(async (task) => {
    await new Promise<void>((resolve) => gates.set(task.id, resolve));
    return vmGone(task);
  });
  await delegate(settings(2));
  const tasks = [vmTask(), vmTask(), vmTask()];
  for (const task of tasks) controlPlane.offer(wire(task));
  await controlPlane.until(() => gates.size === 2);
  await controlPlane.until(() =>
    controlPlane.to("POST", "/heartbeat").some(({ body }) => body.includes('"freeSlots":0')),
  );
  expect(controlPlane.to("PUT", "/acquire")).toHaveLength(2);
  gates.get(executed[0] ?? "")?.();
  await controlPlane.until(() => gates.size === 3);
  for (const open of gates.values()) open();
  for (const task of tasks) await controlPlane.answered(task.id);
});

test("a task is answered with timeout at its deadline; its result is stored later and changes nothing", async () => {
  let finish = () => {};
  runner(async (task) => {
    await new Promise<void>((resolve) => (finish = resolve));
    return vmGone(task);
  });
  const with_ = settings();
  await delegate(with_);
  const task = vmTask(400);
  controlPlane.offer(wire(task));
  const { code, data } = response(await controlPlane.answered(task.id));
  expect(code).toBe("FAILED");
  expect(data).toMatchObject({ outcome: "failed", failure: { code: "timeout" } });
  expect(Date.now()).toBeGreaterThanOrEqual(task.deadline);
  finish();
  const late = () => {
    const db = new DatabaseSync(join(with_.folder, "delegate.db"), { readOnly: true });
    const row = db.prepare("SELECT late_answer FROM tasks WHERE id = ?").get(task.id);
    db.close();
    return row?.["late_answer"];
  };
  await controlPlane.until(() => typeof late() === "string");
  expect(JSON.parse(String(late()))).toMatchObject({ outcome: "ok" });
  expect(controlPlane.answers.get(task.id)).toHaveLength(1);
});

test("a cancelled task is answered as cancelled, and a runner that comes later does not do it", async () => {
  await delegate();
  const task = vmTask();
  controlPlane.offer(wire(task));
  await controlPlane.until(() => controlPlane.tasks.get(task.id)?.holder !== undefined);
  controlPlane.cancel(task.id);
  const { data } = response(await controlPlane.answered(task.id));
  expect(data).toMatchObject({ outcome: "failed", failure: { code: "cancelled" } });
  const { executed } = runner();
  const next = vmTask();
  controlPlane.offer(wire(next));
  await controlPlane.answered(next.id);
  expect(executed).toEqual([next.id]);
});

test("a failure that the runner answers with arrives as FAILED", async () => {
  runner(async (task) => ({
    ...{ taskId: task.id, generation: 1, timings: {}, outcome: "failed" },
    failure: failure("no_capacity", "The pool is full."),
  }));
  await delegate();
  const task = vmTask();
  controlPlane.offer(wire(task));
  const { code, data } = response(await controlPlane.answered(task.id));
  expect(code).toBe("FAILED");
  expect(data).toMatchObject({ failure: { code: "no_capacity", message: "The pool is full.", retry: "later" } });
});

test("events arrive once each, in order, and before the answer", async () => {
  runner(async (task, job) => {
    const events = [];
    for (let seq = 1; seq <= 40; seq++) {
      events.push(eventOf(task, seq));
      await job.updateProgress({ events });
    }
    return vmGone(task);
  });
  await delegate();
  const task = vmTask();
  controlPlane.offer(wire(task));
  await controlPlane.answered(task.id);
  const arrived = controlPlane.events.get(task.id)?.map(({ seq }) => seq);
  expect(arrived).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
  const order = controlPlane.requests.filter(({ method, path }) => method === "POST" && path.includes(task.id));
  expect(order.at(-1)?.path).toContain("/delegates/");
});

test("a control plane without an events endpoint is asked once per task, and answers are not held up", async () => {
  runner(async (task, job) => {
    await job.updateProgress({ events: [eventOf(task, 1)] });
    await new Promise((resolve) => setTimeout(resolve, 50));
    await job.updateProgress({ events: [eventOf(task, 1), eventOf(task, 2)] });
    return vmGone(task);
  });
  await delegate();
  controlPlane.intercept = ({ path }) => (path.endsWith("/events") ? 404 : undefined);
  const task = vmTask();
  controlPlane.offer(wire(task));
  await controlPlane.answered(task.id);
  expect(controlPlane.to("POST", "/events")).toHaveLength(1);
});

test("an events endpoint that never answers holds the answer up for two seconds at most", async () => {
  runner(async (task, job) => {
    await job.updateProgress({ events: [eventOf(task, 1)] });
    return vmGone(task);
  });
  await delegate();
  controlPlane.intercept = ({ path }) => (path.endsWith("/events") ? "hang" : undefined);
  const task = vmTask();
  controlPlane.offer(wire(task));
  const begun = performance.now();
  await controlPlane.answered(task.id);
  expect(performance.now() - begun).toBeGreaterThan(1_800);
  expect(performance.now() - begun).toBeLessThan(4_000);
});

test("answers wait for a control plane that is away, and arrive when it is back", async () => {
  const gate = Promise.withResolvers<void>();
  runner(async (task) => {
    await gate.promise;
    return vmGone(task);
  });
  const with_ = settings();
  await delegate(with_);
  const task = vmTask();
  controlPlane.offer(wire(task));
  await controlPlane.until(() => controlPlane.tasks.get(task.id)?.holder !== undefined);
  const port = await controlPlane.close();
  gate.resolve();
  const stored = () => {
    const journal = openJournal(join(with_.folder, "delegate.db"), Date.now);
    const unsent = journal.unsent();
    journal[Symbol.dispose]();
    return unsent.includes(task.id);
  };
  await controlPlane.until(stored);
  const back = cleanup.use(new TestControlPlane());
  back.tasks.set(task.id, { wire: wire(task), copies: 1, holder: "d-1", closed: false, again: false });
  await back.open(port);
  expect(response(await back.answered(task.id)).code).toBe("OK");
});

test("a control plane that fails now and then gets every answer in the end, always the same bytes", async () => {
  runner();
  await delegate();
  const attempts = new Map<string, number>();
  controlPlane.intercept = ({ method, path }) => {
    if (/register|task-events|heartbeat/.test(path)) return undefined;
    const attempt = (attempts.get(method + path) ?? 0) + 1;
    attempts.set(method + path, attempt);
    return ([500, "cut"] as const)[attempt - 1];
  };
  controlPlane.interceptAfter = ({ method, path }) => (attempts.get(method + path) === 3 ? "cut" : undefined);
  const tasks = Array.from({ length: 5 }, () => vmTask());
  for (const task of tasks) controlPlane.offer(wire(task));
  for (const task of tasks) await controlPlane.answered(task.id);
  for (const task of tasks) {
    const [first, second, ...more] = controlPlane.answers.get(task.id) ?? [];
    expect(first).toBeTypeOf("string");
    expect(second).toBe(first);
    expect(more).toEqual([]);
  }
});

test("an answer that the control plane does not want is not sent forever", async () => {
  runner();
  await delegate();
  const task = vmTask();
  controlPlane.intercept = ({ method, path }) =>
    method === "POST" && path.includes("/delegates/d-") ? 410 : undefined;
  controlPlane.offer(wire(task));
  await controlPlane.until(() => controlPlane.to("POST", task.id).length === 1);
  await new Promise((resolve) => setTimeout(resolve, 600));
  expect(controlPlane.to("POST", task.id)).toHaveLength(1);
});

test("a delegate that was forgotten registers again and goes on", async () => {
  runner();
  await delegate();
  controlPlane.forgetDelegates();
  const task = vmTask();
  controlPlane.offer(wire(task));
  await controlPlane.answered(task.id);
  expect(controlPlane.to("POST", "/register").length).toBeGreaterThan(1);
});

test("a token that is refused is made anew", async () => {
  runner();
  await delegate();
  const old = controlPlane.requests[0]?.token.jti;
  controlPlane.intercept = ({ token }) => (token.jti === old ? 401 : undefined);
  const task = vmTask();
  controlPlane.offer(wire(task));
  await controlPlane.answered(task.id);
  expect(controlPlane.to("PUT", "/acquire").at(-1)?.token.jti).not.toBe(old);
  expect(controlPlane.to("POST", "/register")).toHaveLength(1);
});

test("a task of the runner's form is answered at its endpoint, in base64", async () => {
  runner();
  await delegate();
  const task = vmTask();
  controlPlane.offer({ ...wire(task), runnerResponse: true });
  const body = JSON.parse(await controlPlane.answered(task.id)) as { code: string; data: string };
  const [posted] = controlPlane.to("POST", "/executions/");
  expect(posted?.path).toBe(`/api/executions/${task.id}/response`);
  expect(posted?.query.get("delegateId")).toBe("d-1");
  expect(body.code).toBe("OK");
  expect(JSON.parse(Buffer.from(body.data, "base64").toString())).toMatchObject({ taskId: task.id, outcome: "ok" });
});

test("an offer is acted on at once where the control plane holds the question", async () => {
  runner();
  await delegate();
  const first = vmTask();
  controlPlane.offer(wire(first));
  await controlPlane.answered(first.id);
  const times: number[] = [];
  for (let round = 0; round < 10; round++) {
    const task = vmTask();
    const begun = performance.now();
    controlPlane.offer(wire(task));
    await controlPlane.until(() => controlPlane.tasks.get(task.id)?.closed === true);
    times.push(performance.now() - begun);
  }
  expect(times.toSorted((a, b) => a - b)[5]).toBeLessThan(100);
});

test("a control plane that answers at once is asked every three seconds while there is nothing to do", async () => {
  controlPlane.holds = false;
  await delegate();
  await new Promise((resolve) => setTimeout(resolve, 3_500));
  expect(controlPlane.to("GET", "/task-events")).toHaveLength(2);
});

test("stopping hands nothing back: what was unfinished goes on after the next start", async () => {
  const with_ = settings();
  const first = await delegate(with_);
  const task = vmTask();
  controlPlane.offer(wire(task));
  await controlPlane.until(() => controlPlane.tasks.get(task.id)?.holder !== undefined);
  await first[Symbol.asyncDispose]();
  expect(controlPlane.answers.has(task.id)).toBe(false);
  expect(existsSync(join(with_.folder, "delegate.db"))).toBe(true);
  const { executed } = runner();
  await delegate(with_);
  expect(response(await controlPlane.answered(task.id)).code).toBe("OK");
  expect(executed).toEqual([task.id]);
});

test("a control plane that forgot the delegate, but not the task, still gets the answer", async () => {
  const gate = Promise.withResolvers<void>();
  runner(async (task) => {
    await gate.promise;
    return vmGone(task);
  });
  await delegate();
  const task = vmTask();
  controlPlane.offer(wire(task));
  await controlPlane.until(() => controlPlane.tasks.get(task.id)?.holder !== undefined);
  controlPlane.intercept = ({ path }) => (path.includes("task-events") ? "hang" : undefined);
  controlPlane.forgetDelegates();
  gate.resolve();
  expect(response(await controlPlane.answered(task.id)).code).toBe("OK");
});
