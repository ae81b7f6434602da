// From an accepted action to a running Gitspace and back, over real HTTP, with a delegate that answers by hand.
import { openSecrets } from "@gitspaces/contracts/sealing";
import { verifyTask } from "@gitspaces/contracts/signing";
import type { Gitspace, GitspaceEvent, GitspaceTask } from "@gitspaces/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually, testControlPlane, type TestControlPlane } from "./testing/control-plane.ts";
import { agentPrivateKey, connect, type TestDelegate } from "./testing/delegate.ts";

let plane: TestControlPlane;
let delegate: TestDelegate;

beforeAll(async () => {
  plane = await testControlPlane();
  delegate = await connect(plane);
});
afterAll(() => plane[Symbol.asyncDispose]());

const repository = "https://git.example.com/team/hello.git";

async function make(more: Record<string, unknown> = {}): Promise<Gitspace> {
  const response = await plane.call("POST", "/api/v1/gitspaces", { code_repo_url: repository, ...more });
  expect(response.status).toBe(201);
  return (await response.json()) as Gitspace;
}

async function ask(id: string, action: string): Promise<Response> {
  return await plane.call("POST", `/api/v1/gitspaces/${id}/actions`, { action });
}

async function show(id: string): Promise<Gitspace> {
  return (await (await plane.call("GET", `/api/v1/gitspaces/${id}`)).json()) as Gitspace;
}

async function kinds(id: string): Promise<string[]> {
  const events = (await (
    await plane.call("GET", `/api/v1/gitspaces/${id}/events?limit=100`)
  ).json()) as GitspaceEvent[];
  return events.map((event) => event.event).toReversed();
}

async function running(more: Record<string, unknown> = {}): Promise<string> {
  const { identifier } = await make(more);
  expect((await ask(identifier, "start")).status).toBe(200);
  await delegate.does("vm.provision", "gitspace.start");
  return identifier;
}

test("how much of the history is fetched goes from the one who makes a Gitspace to its agent", async () => {
  const { identifier } = await make({ clone_depth: 5, clone_filter: "blob:none" });
  await ask(identifier, "start");
  await delegate.does("vm.provision");
  const start = (await delegate.take()) as Extract<GitspaceTask, { type: "gitspace.start" }>;
  expect(start.data.repository).toEqual({ url: repository, depth: 5, filter: "blob:none" });
});

test("a start goes from provision to a sealed and signed gitspace.start to running", async () => {
  const { identifier, state, name } = await make({ code_repo_token: "secret-token", branch: "main" });
  expect([state, name]).toEqual(["uninitialized", "hello"]);
  const started = (await (await ask(identifier, "start")).json()) as Gitspace;
  expect([started.state, started.generation]).toEqual(["starting", 1]);

  const provision = await delegate.take();
  expect(provision).toMatchObject({
    type: "vm.provision",
    gitspaceId: identifier,
    generation: 1,
    data: { homeDisk: identifier, pool: "default" },
  });
  await delegate.succeed(provision);
  const start = (await delegate.take()) as Extract<GitspaceTask, { type: "gitspace.start" }>;
  const keys = await (await plane.call("GET", "/.well-known/jwks.json", undefined, {})).json();
  await verifyTask(start, keys as never);
  expect(start.data.repository).toEqual({ url: repository, branch: "main" });
  const key = await crypto.subtle.importKey(
    "jwk",
    agentPrivateKey.export({ format: "jwk" }),
    { name: "ECDH", namedCurve: "P-256" },
    false,
    ["deriveBits"],
  );
  const opened = await openSecrets(start.data.secrets as never, key, { taskId: start.id, generation: 1 });
  expect(opened.git).toEqual([{ host: "git.example.com", username: "oauth2", password: "secret-token" }]);

  const event = {
    taskId: start.id,
    gitspaceId: identifier,
    seq: 1,
    at: Date.now(),
    kind: "agent_clone_start",
    message: "Cloning",
  };
  await delegate.call("POST", `/api/agent/v2/tasks/${start.id}/events`, { events: [event] });
  await delegate.succeed(start);
  const now = await show(identifier);
  expect(now.state).toBe("running");
  expect(now.instance).toMatchObject({ state: "running", warm: true, machine_user: "gitspace", url: now.url });
  expect(await kinds(identifier)).toEqual([
    "gitspace_action_start",
    "infra_provisioning_start",
    "delegate_task_submitted",
    "infra_provisioning_completed",
    "agent_connect_start",
    "delegate_task_submitted",
    "agent_connect_completed",
    "agent_clone_start",
    "gitspace_action_start_completed",
  ]);
  expect((await (await ask(identifier, "start")).json()) as Gitspace).toMatchObject({
    state: "running",
    generation: 1,
  });
});

test("stop asks the agent, then releases the VM; delete then destroys the home disk", async () => {
  const id = await running();
  await ask(id, "stop");
  await delegate.does("gitspace.stop", "vm.stop");
  expect(await show(id)).toMatchObject({
    state: "stopped",
    generation: 2,
    instance: { has_git_changes: true, url: null },
  });
  expect((await plane.call("DELETE", `/api/v1/gitspaces/${id}`)).status).toBe(204);
  expect((await plane.call("DELETE", `/api/v1/gitspaces/${id}`)).status).toBe(409);
  const [destroy] = await delegate.does("vm.destroy");
  expect(destroy).toMatchObject({ generation: 3, data: { homeDisk: id } });
  expect((await plane.call("GET", `/api/v1/gitspaces/${id}`)).status).toBe(404);
});

test("delete of a running Gitspace lets the agent remove its data first", async () => {
  const id = await running();
  await plane.call("DELETE", `/api/v1/gitspaces/${id}`);
  const [remove] = await delegate.does("gitspace.remove", "vm.destroy");
  expect(remove?.data).toEqual({ deleteData: true });
  expect((await plane.call("GET", `/api/v1/gitspaces/${id}`)).status).toBe(404);
});

test("a reset of a running Gitspace gives it a fresh VM with the same home disk", async () => {
  const id = await running();
  expect((await ask(id, "reset")).status).toBe(200);
  const done = await delegate.does("gitspace.stop", "vm.stop", "vm.provision", "gitspace.start");
  // The VM goes under the generation that has it: a provision of the same generation as a stop would come too late.
  expect(done.map(({ generation }) => generation)).toEqual([2, 1, 2, 2]);
  expect(done[1]?.data).toEqual({ policy: "release" });
  expect(done[2]?.data).toMatchObject({ homeDisk: id });
  expect(await show(id)).toMatchObject({ state: "running", generation: 2 });
  expect(await kinds(id)).toContain("gitspace_action_reset_completed");
});

test("a reset of a stopped Gitspace leaves it stopped, without a VM", async () => {
  const id = await running();
  await ask(id, "stop");
  await delegate.does("gitspace.stop", "vm.stop");
  await ask(id, "reset");
  await delegate.does("vm.stop");
  expect(await show(id)).toMatchObject({ state: "stopped", generation: 3 });
  expect(await delegate.poll(0)).toEqual([]);
});

test("a start is cancelled in whatever phase it is: its task is called back and its VM released", async () => {
  for (const phases of [[], ["vm.provision"]] as const) {
    const { identifier } = await make();
    await ask(identifier, "start");
    await delegate.does(...phases);
    const task = await delegate.take();
    expect((await ask(identifier, "cancel")).status).toBe(200);
    const response = await delegate.call("GET", `/api/agent/delegates/${delegate.id}/task-events?waitMs=5000`);
    expect(await response.json()).toMatchObject({ cancelledTaskIds: [task.id] });
    await delegate.succeed(task);
    const [release] = await delegate.does("vm.stop");
    expect(release).toMatchObject({ gitspaceId: identifier, generation: 2 });
    expect(await show(identifier)).toMatchObject({ state: "stopped", generation: 2 });
  }
});

test("a Gitspace that was never started is deleted at once", async () => {
  const { identifier } = await make();
  expect((await plane.call("DELETE", `/api/v1/gitspaces/${identifier}`)).status).toBe(204);
  expect((await plane.call("GET", `/api/v1/gitspaces/${identifier}`)).status).toBe(404);
  expect(await delegate.poll(0)).toEqual([]);
});

test("an action on a busy Gitspace is a conflict that names the state", async () => {
  const { identifier } = await make();
  await ask(identifier, "start");
  const refused = await ask(identifier, "stop");
  expect(refused.status).toBe(409);
  expect(await refused.json()).toMatchObject({ code: "conflict", detail: expect.stringContaining("starting") });
  await delegate.does("vm.provision", "gitspace.start");
});

test("a failed start says why, releases its VM and can be tried again", async () => {
  const { identifier } = await make();
  await ask(identifier, "start");
  await delegate.does("vm.provision");
  await delegate.fail(await delegate.take(), "repository_unreachable");
  expect(await show(identifier)).toMatchObject({
    state: "error",
    instance: { error_code: "repository_unreachable", error_message: "no: repository_unreachable" },
  });
  const release = await delegate.take();
  expect(release).toMatchObject({ type: "vm.stop", generation: 1, data: { policy: "release" } });
  // A start meanwhile waits for the release, so that the home disk is free.
  expect((await ask(identifier, "start")).status).toBe(200);
  expect(await delegate.poll(0)).toEqual([]);
  await delegate.succeed(release);
  const [provision] = await delegate.does("vm.provision", "gitspace.start");
  expect(provision?.generation).toBe(2);
  expect((await show(identifier)).state).toBe("running");
});

test("an agent that cannot be reached does not stop a stop", async () => {
  const id = await running();
  await ask(id, "stop");
  await delegate.fail(await delegate.take(), "vm_unreachable");
  await delegate.does("vm.stop");
  expect((await show(id)).state).toBe("stopped");
});

test("a status task reaches a waiting delegate without a timer and its answer a waiting client", async () => {
  const id = await running();
  const waiting = delegate.poll();
  await new Promise((resolve) => setTimeout(resolve, 50));
  const from = performance.now();
  const issued = await plane.call("POST", `/api/v1/gitspaces/${id}/status`);
  expect(issued.status).toBe(202);
  const { task_id } = (await issued.json()) as { task_id: string };
  expect((await waiting)[0]?.id).toBe(task_id);
  expect(performance.now() - from).toBeLessThan(500);
  const answered = plane.call("GET", `/api/v1/gitspaces/${id}/tasks/${task_id}?wait_ms=5000`);
  const task = ((await (await delegate.acquire(task_id)).json()) as { data: GitspaceTask }).data;
  await delegate.succeed(task);
  expect(await (await answered).json()).toMatchObject({ state: "answered", outcome: "ok", timings: { tookMs: 1 } });
  const ports = (await (await plane.call("GET", `/api/v1/gitspaces/${id}/ports`)).json()) as { ports: unknown[] };
  expect(ports.ports).toContainEqual({
    port: 3000,
    url: `http://3000--${id}.gitspaces.localhost:7401`,
    visibility: "private",
  });
});

test("after a restart nothing stays running whose VM is gone, and deletes go on", async () => {
  const id = await running();
  const { identifier: doomed } = await make();
  await ask(doomed, "start");
  await delegate.does("vm.provision", "gitspace.start");
  await plane.call("DELETE", `/api/v1/gitspaces/${doomed}`);
  await plane.restart();
  await delegate.heartbeat();
  const seen = new Set<string>();
  while (seen.size < 2) {
    for (const { id: taskId, type } of await delegate.poll(0)) {
      const acquired = await delegate.acquire(taskId);
      const { data } = (await acquired.json()) as { data: GitspaceTask };
      if (data.gitspaceId === id) await delegate.succeed(data, { vm: null });
      else await delegate.succeed(data);
      if (data.gitspaceId === id || type === "vm.destroy") seen.add(`${type} ${data.gitspaceId}`);
    }
  }
  expect(await show(id)).toMatchObject({ state: "stopped", instance: { state: "stopped" } });
  expect(await kinds(id)).toContain("agent_gitspace_state_report_stopped");
  await eventually(
    async () => ((await plane.call("GET", `/api/v1/gitspaces/${doomed}`)).status === 404 ? true : undefined),
    "the delete",
  );
});
