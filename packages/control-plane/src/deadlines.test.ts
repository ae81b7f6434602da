// Nothing waits for ever: phases, holders and repeats, with a clock that the test moves.
import type { Gitspace, Task, TaskView } from "@gitspaces/contracts";
import { expect, test } from "vitest";
import { eventually, testControlPlane, type TestControlPlane } from "./testing/control-plane.ts";
import { connect } from "./testing/delegate.ts";

async function start(plane: TestControlPlane): Promise<string> {
  const made = await plane.call("POST", "/api/v1/gitspaces", { code_repo_url: "https://git.example.com/a/hello" });
  const { identifier } = (await made.json()) as Gitspace;
  await plane.call("POST", `/api/v1/gitspaces/${identifier}/actions`, { action: "start" });
  return identifier;
}

async function reaches(plane: TestControlPlane, id: string, state: string): Promise<Gitspace> {
  return await eventually(async () => {
    const shown = (await (await plane.call("GET", `/api/v1/gitspaces/${id}`)).json()) as Gitspace;
    return shown.state === state ? shown : undefined;
  }, `${id} ${state}`);
}

test("a provision that nobody takes fails at its deadline, and there is nothing to release", async () => {
  await using plane = await testControlPlane({ provisionDeadlineMs: 150 });
  const id = await start(plane);
  const shown = await reaches(plane, id, "error");
  expect(shown.instance).toMatchObject({
    error_code: "timeout",
    error_message: expect.stringContaining("No delegate"),
  });
  const delegate = await connect(plane);
  expect(await delegate.poll(0)).toEqual([]);
});

test("a start that takes too long fails, its VM is released, and its late answer changes nothing", async () => {
  await using plane = await testControlPlane({ startDeadlineMs: 200 });
  const delegate = await connect(plane);
  const id = await start(plane);
  await delegate.does("vm.provision");
  const late = await delegate.take();
  expect((await reaches(plane, id, "error")).instance?.error_code).toBe("timeout");
  await delegate.does("vm.stop");
  await delegate.succeed(late);
  expect((await reaches(plane, id, "error")).instance?.error_code).toBe("timeout");
  const view = await plane.call("GET", `/api/v1/gitspaces/${id}/tasks/${late.id}`);
  expect((await view.json()) as TaskView).toMatchObject({ outcome: "failed", failure: { code: "timeout" } });
});

test("a task goes back on offer when its holder is silent for 45 s, and not before", async () => {
  let now = Date.now();
  await using plane = await testControlPlane({ clock: { now: () => now } });
  const lost = await connect(plane, { delegateName: "lost" });
  const other = await connect(plane, { delegateName: "other" });
  await start(plane);
  const task = await lost.take();
  now += 44_000;
  await other.heartbeat();
  expect((await other.acquire(task.id)).status).toBe(409);
  now += 1_500;
  await other.heartbeat();
  const [offered] = await other.poll();
  expect(offered?.id).toBe(task.id);
  const acquired = (await (await other.acquire(task.id)).json()) as { data: unknown };
  expect(acquired.data).toEqual(task);
  // The first holder comes back: its answer counts, because it is the first.
  await lost.succeed(task);
});

test("a task that a delegate hands back goes to another one, and fails when there is none", async () => {
  await using plane = await testControlPlane();
  const first = await connect(plane, { delegateName: "first" });
  const second = await connect(plane, { delegateName: "second" });
  const id = await start(plane);
  const task = await first.take();
  const failure = { code: "no_capacity", message: "no room here", retry: "elsewhere" };
  const answer = { taskId: task.id, generation: 1, outcome: "failed", failure, timings: {} };
  await first.answer(task, answer, "RETRY_ON_OTHER_DELEGATE");
  expect(await first.poll(0)).toEqual([]);
  const again = await second.take();
  expect(again).toEqual(task);
  await second.answer(again, answer, "RETRY_ON_OTHER_DELEGATE");
  expect((await reaches(plane, id, "error")).instance?.error_message).toBe("no room here");
});

test("whoever holds a task that is not wanted any more is told", async () => {
  await using plane = await testControlPlane();
  const delegate = await connect(plane);
  const id = await start(plane);
  const task = await delegate.take();
  await plane.call("DELETE", `/api/v1/gitspaces/${id}`);
  const told = await delegate.call("GET", `/api/agent/delegates/${delegate.id}/task-events?waitMs=1000`);
  expect(await told.json()).toMatchObject({
    cancelledTaskIds: [task.id],
    delegateTaskEvents: [{ taskType: "vm.destroy" }],
  });
});

test("a delete that fails is driven until it succeeds", async () => {
  let now = Date.now();
  await using plane = await testControlPlane({ clock: { now: () => now } });
  const delegate = await connect(plane);
  const id = await start(plane);
  await delegate.does("vm.provision", "gitspace.start");
  await plane.call("DELETE", `/api/v1/gitspaces/${id}`);
  await delegate.does("gitspace.remove");
  await delegate.fail(await delegate.take(), "internal");
  expect(await delegate.poll(0)).toEqual([]);
  now += 5_001;
  await delegate.heartbeat();
  const [destroy] = await delegate.does("vm.destroy");
  expect(destroy?.generation).toBe(2);
  expect((await plane.call("GET", `/api/v1/gitspaces/${id}`)).status).toBe(404);
});

test("what should run is looked at regularly, and an unreachable look changes nothing", async () => {
  await using plane = await testControlPlane({ lookEveryMs: 100 });
  const delegate = await connect(plane);
  const id = await start(plane);
  await delegate.does("vm.provision", "gitspace.start");
  await delegate.fail(await delegate.take(), "vm_unreachable");
  expect((await reaches(plane, id, "running")).generation).toBe(1);
  const look = await delegate.take();
  expect(look.type).toBe("vm.status");
  await delegate.succeed(look, { vm: null });
  await reaches(plane, id, "stopped");
  // The next start makes a VM at once: there is none to release.
  await plane.call("POST", `/api/v1/gitspaces/${id}/actions`, { action: "start" });
  const types = (await delegate.poll()).map(({ type }) => type);
  expect(types).toContain("vm.provision");
});

test("I8: a start whose VM is gone fails with the next look, and does not wait for its deadline", async () => {
  await using plane = await testControlPlane({ lookEveryMs: 100 });
  const delegate = await connect(plane);
  const id = await start(plane);
  await delegate.does("vm.provision");
  const pending = await delegate.take();
  const look = pending.type === "vm.status" ? pending : await delegate.take();
  expect(look.type).toBe("vm.status");
  await delegate.succeed(look, { vm: null });
  expect((await reaches(plane, id, "error")).instance).toMatchObject({
    error_code: "vm_unreachable",
    error_message: "The VM is gone; the home disk is kept",
  });
});

test("I7: a look from before a reset's fresh VM, answered after it, says nothing of the fresh one", async () => {
  await using plane = await testControlPlane({ lookEveryMs: 300 });
  const delegate = await connect(plane);
  const id = await start(plane);
  const nextOf = async (type: string, generation: number): Promise<Task> => {
    for (;;) {
      const task = await delegate.take();
      if (task.type === type && task.generation === generation) return task;
      await delegate.succeed(task);
    }
  };
  await delegate.succeed(await nextOf("vm.provision", 1));
  await delegate.succeed(await nextOf("gitspace.start", 1));
  await reaches(plane, id, "running");
  await plane.call("POST", `/api/v1/gitspaces/${id}/actions`, { action: "reset" });
  const stopping = await nextOf("gitspace.stop", 2);
  const look = await nextOf("vm.status", 2);
  await delegate.succeed(stopping);
  await delegate.succeed(await nextOf("vm.stop", 1));
  await delegate.succeed(await nextOf("vm.provision", 2));
  await delegate.succeed(look, { vm: null });
  await delegate.succeed(await nextOf("gitspace.start", 2));
  expect((await reaches(plane, id, "running")).generation).toBe(2);
});

test("I8: a provision that nobody takes says whether a delegate was connected at all", async () => {
  await using plane = await testControlPlane({ provisionDeadlineMs: 200 });
  const alone = await start(plane);
  expect((await reaches(plane, alone, "error")).instance?.error_message).toMatch(/none is connected/i);
  await connect(plane, { freeSlots: 0 });
  const full = await start(plane);
  expect((await reaches(plane, full, "error")).instance?.error_message).toContain("have no room");
});
