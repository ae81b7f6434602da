// A real delegate process, killed at the worst moments: every task still gets exactly one answer, always the same bytes.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { okAnswer, REDIS_PREFIX, RUNNER_QUEUE, type TaskResult } from "@gitspaces/contracts";
import { Redis } from "ioredis";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeCa, storeIdentity } from "./testing/certificates.ts";
import { TestControlPlane } from "./testing/control-plane.ts";
import { startGateway } from "./testing/gateway.ts";
import { startRedis, type TestRedis } from "./testing/redis.ts";
import { eventOf, startRunner, vmGone } from "./testing/runner.ts";
import { makeSettings, type TestSettings } from "./testing/settings.ts";
import { gitspaceTask, vmTask, wire } from "./testing/task.ts";

let cleanup: AsyncDisposableStack;
let redis: TestRedis;
let controlPlane: TestControlPlane;
let settings: TestSettings;
beforeEach(async () => {
  cleanup = new AsyncDisposableStack();
  redis = cleanup.use(await startRedis());
  controlPlane = cleanup.use(await new TestControlPlane().open());
  settings = cleanup.use(makeSettings({ controlPlaneUrl: controlPlane.url, redisUrl: redis.url }));
});
afterEach(() => cleanup.disposeAsync());

async function start(more: Record<string, string> = {}): Promise<ChildProcess> {
  const main = new URL("main.ts", import.meta.url).pathname;
  const env = { PATH: process.env["PATH"] ?? "", ...settings.variables, ...more, GITSPACES_LOG_LEVEL: "info" };
  const child = spawn(process.execPath, [main], { env, stdio: ["ignore", "pipe", "inherit"] });
  cleanup.defer(() => kill(child));
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.includes("delegate ready")) break;
  }
  child.stdout.resume();
  expect(child.exitCode).toBeNull();
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}

function state(id: string): unknown {
  const db = new DatabaseSync(join(settings.folder, "delegate.db"), { readOnly: true });
  try {
    return db.prepare("SELECT state FROM tasks WHERE id = ?").get(id)?.["state"];
  } finally {
    db.close();
  }
}

test("killed while the acquire is on its way: the task that is ours by now is asked for again", async () => {
  const { executed } = cleanup.use(startRunner(redis.url));
  controlPlane.interceptAfter = ({ path }) => (path.endsWith("/acquire") ? "hang" : undefined);
  const first = await start();
  const task = vmTask();
  controlPlane.offer(wire(task));
  await controlPlane.until(() => controlPlane.tasks.get(task.id)?.holder !== undefined);
  await kill(first);
  controlPlane.interceptAfter = () => undefined;
  await start();
  await controlPlane.answered(task.id);
  expect(executed).toEqual([task.id]);
});

test("killed after the inbox has the task and before anybody did it", async () => {
  const first = await start();
  const task = vmTask();
  controlPlane.offer(wire(task));
  await controlPlane.until(() => state(task.id) === "accepted");
  await kill(first);
  const { executed } = cleanup.use(startRunner(redis.url));
  await start();
  await controlPlane.answered(task.id);
  expect(executed).toEqual([task.id]);
  expect(controlPlane.answers.get(task.id)).toHaveLength(1);
});

test("killed after the effect and before the outbox has the answer", async () => {
  const first = await start();
  const done = Promise.withResolvers<void>();
  const client = new Redis(redis.url);
  cleanup.defer(() => client.disconnect());
  const task = vmTask();
  controlPlane.offer(wire(task));
  while ((await client.exists(`${REDIS_PREFIX}:${RUNNER_QUEUE}:${task.id}`)) === 0) await sleep(5);
  first.kill("SIGSTOP");
  const runner = cleanup.use(
    startRunner(redis.url, async (each, job) => {
      await job.updateProgress({ events: [eventOf(each, 1)] });
      setTimeout(done.resolve, 100);
      return vmGone(each);
    }),
  );
  await done.promise;
  await kill(first);
  expect(state(task.id)).toBe("accepted");
  await start();
  await controlPlane.answered(task.id);
  expect(runner.executed).toEqual([task.id]);
  expect(controlPlane.answers.get(task.id)).toHaveLength(1);
  expect(controlPlane.events.get(task.id)?.map(({ seq }) => seq)).toEqual([1]);
});

test("killed after the answer was sent and before it was acknowledged: the same bytes are sent again", async () => {
  const { executed } = cleanup.use(startRunner(redis.url));
  controlPlane.interceptAfter = ({ path }) => (/tasks\/[^/]+\/delegates/.test(path) ? "hang" : undefined);
  const first = await start();
  const task = vmTask();
  controlPlane.offer(wire(task));
  await controlPlane.until(() => controlPlane.answers.has(task.id));
  await kill(first);
  controlPlane.interceptAfter = () => undefined;
  await start();
  await controlPlane.answered(task.id);
  const [sent, again, ...more] = controlPlane.answers.get(task.id) ?? [];
  expect(again).toBe(sent);
  expect(more).toEqual([]);
  expect(executed).toEqual([task.id]);
});

test("killed while an agent works: its stream is taken up where it was left", async () => {
  using ca = makeCa();
  storeIdentity(settings.folder, ca.issue("delegate", "delegate-1"));
  const task = gitspaceTask();
  const result: TaskResult<"gitspace.status"> = { state: "running", ports: [], ide: "ready", hasGitChanges: false };
  const answer = okAnswer({ ...task, type: "gitspace.status" }, result);
  let working = true;
  const gateway = cleanup.use(
    await startGateway(ca.issue("gateway", "gateway-1"), {
      lines: (after) => (working ? (after === 0 ? [{ event: eventOf(task, 1) }] : []) : [{ answer }]),
    }),
  );
  const first = await start({ GITSPACES_GATEWAY_TASKS_URL: gateway.url });
  controlPlane.offer(wire(task));
  await controlPlane.until(() => controlPlane.events.has(task.id));
  await kill(first);
  working = false;
  await start({ GITSPACES_GATEWAY_TASKS_URL: gateway.url });
  expect(JSON.parse(await controlPlane.answered(task.id))).toMatchObject({
    code: "OK",
    data: { outcome: "ok", result },
  });
  expect(gateway.after.at(-1)).toBe(1);
  // Killed between sending an event and noting that it arrived, it sends that one again; the number says that it is the same.
  expect(new Set(controlPlane.events.get(task.id)?.map(({ seq }) => seq))).toEqual(new Set([1]));
});

test("told to stop, the delegate ends with 0 and leaves the unfinished where it is", async () => {
  const child = await start();
  const task = vmTask();
  controlPlane.offer(wire(task));
  await controlPlane.until(() => state(task.id) === "accepted");
  child.kill("SIGTERM");
  expect(await once(child, "exit")).toEqual([0, null]);
  expect(state(task.id)).toBe("accepted");
});
