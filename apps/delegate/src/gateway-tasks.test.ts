// The way to an agent, over a real TLS server in the gateway's place.
import { type Answer, failure, okAnswer, type TaskEvent } from "@gitspaces/contracts";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { openGatewayTasks } from "./gateway-tasks.ts";
import { makeCa, type TestCa } from "./testing/certificates.ts";
import { startGateway } from "./testing/gateway.ts";
import { eventOf } from "./testing/runner.ts";
import { quiet } from "./testing/settings.ts";
import { GITSPACE, gitspaceTask } from "./testing/task.ts";
import type { Assignment } from "./workplace.ts";

let ca: TestCa;
let cleanup: AsyncDisposableStack;
const never = new AbortController().signal;
beforeAll(() => {
  ca = makeCa();
});
afterAll(() => ca[Symbol.dispose]());
beforeEach(() => {
  cleanup = new AsyncDisposableStack();
});
afterEach(() => cleanup.disposeAsync());

const task = gitspaceTask();
const answer: Answer = okAnswer(
  { ...task, type: "gitspace.status" },
  { state: "running", ports: [], ide: "ready", hasGitChanges: false },
);

function assignment(): Assignment<typeof task> & { events: TaskEvent[] } {
  const events: TaskEvent[] = [];
  const take = (fresh: readonly TaskEvent[]) => void events.push(...fresh);
  return { task, raw: task, events, lastEvent: () => events.at(-1)?.seq ?? 0, onEvents: take };
}

async function place(behaviour: Parameters<typeof startGateway>[1], role: "gateway" | "vm" = "gateway") {
  const gateway = cleanup.use(await startGateway(ca.issue(role, "gateway-1"), behaviour));
  const tasks = cleanup.use(openGatewayTasks(gateway.url, quiet));
  return { gateway, tasks };
}

test("a task goes to the gateway under the delegate's certificate, named by its Gitspace, and comes back answered", async () => {
  const { gateway, tasks } = await place({ lines: () => [{ event: eventOf(task, 1) }, { ping: 1 }, { answer }] });
  tasks.setIdentity(ca.issue("delegate", "delegate-1"));
  const assigned = assignment();
  expect(await tasks.follow(assigned, never)).toEqual(answer);
  expect(gateway.submitted).toEqual([
    { gitspace: GITSPACE, caller: { installation: "local-test", role: "delegate", name: "delegate-1" }, task },
  ]);
  expect(assigned.events.map(({ seq }) => seq)).toEqual([1]);
});

test("a broken stream is taken up after the last event that was stored", async () => {
  const all = Array.from({ length: 9 }, (_, index) => ({ event: eventOf(task, index + 1) }));
  const { gateway, tasks } = await place({
    lines: (after, attempt) => (attempt < 4 ? all.slice(after, after + 3) : [{ answer }]),
  });
  tasks.setIdentity(ca.issue("delegate", "delegate-1"));
  const assigned = assignment();
  expect(await tasks.follow(assigned, never)).toEqual(answer);
  expect(gateway.after).toEqual([0, 3, 6, 9]);
  expect(assigned.events.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test.each(["denied", "superseded", "conflict", "bad_request"] as const)("%s is the answer at once", async (code) => {
  const refused = failure(code, "No.");
  const { gateway, tasks } = await place({ submit: () => refused });
  tasks.setIdentity(ca.issue("delegate", "delegate-1"));
  expect(await tasks.follow(assignment(), never)).toMatchObject({
    outcome: "failed",
    taskId: task.id,
    failure: refused,
  });
  expect(gateway.submitted).toHaveLength(1);
});

test("an agent that is not reached is tried again until it is", async () => {
  const { gateway, tasks } = await place({
    submit: (_, attempt) => (attempt < 4 ? failure("vm_unreachable", "There is no route.") : undefined),
    lines: () => [{ answer }],
  });
  tasks.setIdentity(ca.issue("delegate", "delegate-1"));
  expect(await tasks.follow(assignment(), never)).toEqual(answer);
  expect(gateway.submitted).toHaveLength(4);
});

test("tasks wait for the first certificate", async () => {
  const { gateway, tasks } = await place({ lines: () => [{ answer }] });
  expect(() => tasks.check()).toThrow(/certificate/);
  const following = tasks.follow(assignment(), never);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(gateway.submitted).toHaveLength(0);
  tasks.setIdentity(ca.issue("delegate", "delegate-1"));
  expect(await following).toEqual(answer);
  tasks.check();
});

test("nothing is told to a server whose certificate is not a gateway's", async () => {
  const { gateway, tasks } = await place({ lines: () => [{ answer }] }, "vm");
  tasks.setIdentity(ca.issue("delegate", "delegate-1"));
  const stop = AbortSignal.timeout(400);
  await expect(tasks.follow(assignment(), stop)).rejects.toThrow(/aborted/);
  expect(gateway.submitted).toHaveLength(0);
});

test("a renewed certificate breaks no stream that lives, and the next task is sent under it", async () => {
  const { gateway, tasks } = await place({ lines: () => [{ event: eventOf(task, 1) }], after: () => [{ answer }] });
  tasks.setIdentity(ca.issue("delegate", "delegate-1"));
  const assigned = assignment();
  const following = tasks.follow(assigned, never);
  await expect.poll(() => assigned.events).toHaveLength(1);
  tasks.setIdentity(ca.issue("delegate", "delegate-2"));
  gateway.goOn();
  expect(await following).toEqual(answer);
  expect(gateway.after).toEqual([0]);
  const next = tasks.follow(assignment(), never);
  await expect.poll(() => gateway.after).toHaveLength(2);
  gateway.goOn();
  expect(await next).toEqual(answer);
  expect(gateway.submitted.map(({ caller }) => caller?.name)).toEqual(["delegate-1", "delegate-2"]);
});
