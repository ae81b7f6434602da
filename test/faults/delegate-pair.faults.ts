// Two delegates at once: same control plane, same Redis, different names and tags. Verdicts come from the control plane's own records.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type Gitspace, okAnswer, type VmTask } from "@gitspaces/contracts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type DelegateProcess, journalRows, startProcess } from "../../apps/delegate/src/testing/process.ts";
import { freePort, startRedis, type TestRedis } from "../../apps/delegate/src/testing/redis.ts";
import { startRunner } from "../../apps/delegate/src/testing/runner.ts";
import { makeSettings, type TestSettings } from "../../apps/delegate/src/testing/settings.ts";
import { testControlPlane, type TestControlPlane } from "../../packages/control-plane/src/testing/control-plane.ts";
import { until } from "./house.ts";

const agentKey = { kty: "EC", crv: "P-256", x: "x".repeat(43), y: "y".repeat(43) } as const;
let cleanup: AsyncDisposableStack;
let redis: TestRedis;
let skewMs: number;
beforeEach(async () => {
  cleanup = new AsyncDisposableStack();
  redis = cleanup.use(await startRedis());
  skewMs = 0;
});
afterEach(() => cleanup.disposeAsync());

/** A real control plane, whose clock the test puts forward by `skewMs`. */
async function openPlane(changes: Record<string, unknown> = {}): Promise<TestControlPlane> {
  return cleanup.use(await testControlPlane({ clock: { now: () => Date.now() + skewMs }, ...changes }));
}
function settingsFor(plane: TestControlPlane, name: string, slots: number): TestSettings {
  const settings = cleanup.use(makeSettings({ controlPlaneUrl: plane.url, redisUrl: redis.url, slots }));
  writeFileSync(join(settings.folder, "delegate.token"), plane.delegateSecret, { mode: 0o600 });
  Object.assign(settings.variables, { GITSPACES_DELEGATE_NAME: name, GITSPACES_TAGS: `site-${name}` });
  return settings;
}
async function start(settings: TestSettings): Promise<DelegateProcess> {
  return cleanup.use(await startProcess(settings));
}
async function startGitspaces(plane: TestControlPlane, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let number = 0; number < count; number++) {
    const made = await plane.call("POST", "/api/v1/gitspaces", { code_repo_url: "https://git.example.com/a/hello" });
    const { identifier } = (await made.json()) as Gitspace;
    await plane.call("POST", `/api/v1/gitspaces/${identifier}/actions`, { action: "start" });
    ids.push(identifier);
  }
  return ids;
}
function provisioned(task: VmTask) {
  const vm = { instanceId: `vm-${task.gitspaceId}`, pool: "default" };
  return okAnswer({ ...task, type: "vm.provision" }, { vm, agentKey, warm: true }, {});
}

type Provision = { id: string; gitspace: string; delegate: string | null; answer: string | null; late: number };
/** The control plane's records of its `vm.provision` tasks. */
function provisions(plane: TestControlPlane): Provision[] {
  const db = new DatabaseSync(join(plane.folder, "control-plane.db"), { readOnly: true });
  try {
    return db
      .prepare(
        `SELECT tasks.id, gitspace, delegates.name AS delegate, answer,
           (SELECT count(*) FROM late_answers WHERE task = tasks.id) AS late
         FROM tasks LEFT JOIN delegates ON delegates.id = holder WHERE type = 'vm.provision'`,
      )
      .all() as Provision[];
  } finally {
    db.close();
  }
}
const heldBy = (plane: TestControlPlane, name: string) => provisions(plane).filter(({ delegate }) => delegate === name);

test("I2 E1: a killed delegate's tasks are taken over by the other on the same queue; each has one answer, its own", async () => {
  const plane = await openPlane();
  const gate = Promise.withResolvers<void>();
  const runner = cleanup.use(
    startRunner(redis.url, async (task) => {
      await gate.promise;
      return provisioned(task);
    }),
  );
  const [east, west] = [settingsFor(plane, "east", 4), settingsFor(plane, "west", 32)];
  const dying = await start(east);
  await startGitspaces(plane, 4);
  await until("one delegate is full", 20_000, () => heldBy(plane, "east").length === 4);
  await start(west);
  await startGitspaces(plane, 4);
  await until("the other has the rest", 20_000, () => heldBy(plane, "west").length === 4);
  await until("all are in the runner's hands", 20_000, () => runner.executed.length === 8);
  await dying.kill();
  skewMs = 46_000;
  await until("the other took them over", 30_000, () => heldBy(plane, "west").length === 8);
  gate.resolve();
  await until("every task is answered", 30_000, () => provisions(plane).every(({ answer }) => answer !== null));
  const answers = provisions(plane);
  expect(answers).toHaveLength(8);
  for (const { gitspace, answer } of answers) {
    expect(JSON.parse(answer ?? "")).toMatchObject({ outcome: "ok", result: { vm: { instanceId: `vm-${gitspace}` } } });
  }
  expect(new Set(runner.executed).size).toBe(8);
  expect(runner.executed).toHaveLength(8);

  await start(east);
  const ended = () => journalRows(east).filter(({ id }) => answers.some((each) => each.id === id));
  await until("the first is rid of what it held", 30_000, () => ended().every(({ state }) => state === "acknowledged"));
  expect(provisions(plane).map(({ id, answer }) => ({ id, answer }))).toEqual(
    answers.map(({ id, answer }) => ({ id, answer })),
  );
});

test("I2 I8 E10: a control plane that was away, while its delegate was killed, gets the very answers that were written", async () => {
  const plane = await openPlane({ listen: `127.0.0.1:${await freePort()}` });
  const gate = Promise.withResolvers<void>();
  const runner = cleanup.use(
    startRunner(redis.url, async (task) => {
      await gate.promise;
      return provisioned(task);
    }),
  );
  const east = settingsFor(plane, "east", 8);
  const first = await start(east);
  await startGitspaces(plane, 6);
  await until("the runner has the tasks", 20_000, () => runner.executed.length === 6);
  const written = new Map<string, unknown>();
  await plane.restart(async () => {
    gate.resolve();
    const answered = () => journalRows(east).filter(({ answer }) => answer !== null);
    await until("the answers are on disk", 20_000, () => answered().length === 6);
    await first.kill();
    for (const { id, answer } of answered()) written.set(id, (JSON.parse(answer ?? "") as { data: unknown }).data);
    cleanup.use(await startProcess(east, { atOnce: true }));
  });
  await until("every task is answered", 30_000, () => provisions(plane).every(({ answer }) => answer !== null));
  const kept = provisions(plane);
  expect(kept.map(({ late }) => late)).toEqual([0, 0, 0, 0, 0, 0]);
  for (const { id, answer } of kept) expect(JSON.parse(answer ?? "")).toEqual(written.get(id));
  expect(runner.executed).toHaveLength(6);
});

test("I2: only delegates with the wanted tag get tasks", async () => {
  const plane = await openPlane({ delegateSelectors: ["site-west"] });
  cleanup.use(startRunner(redis.url, async (task) => provisioned(task)));
  const [east, west] = [settingsFor(plane, "east", 4), settingsFor(plane, "west", 4)];
  await start(east);
  const [first] = await startGitspaces(plane, 1);
  await start(west);
  await startGitspaces(plane, 5);
  await until("every task is answered", 30_000, () => provisions(plane).every(({ answer }) => answer !== null));
  expect(provisions(plane).map(({ delegate }) => delegate)).toEqual(Array.from({ length: 6 }, () => "west"));
  expect(provisions(plane).some(({ gitspace }) => gitspace === first)).toBe(true);
  expect(journalRows(east)).toEqual([]);
});

test("I8: a task for a tag that no connected delegate has waits until its deadline, and says so", async () => {
  const plane = await openPlane({ delegateSelectors: ["site-north"], provisionDeadlineMs: 3_000 });
  const east = settingsFor(plane, "east", 4);
  await start(east);
  const [id] = await startGitspaces(plane, 1);
  const instance = async () => {
    const shown = (await (await plane.call("GET", `/api/v1/gitspaces/${id}`)).json()) as Gitspace;
    return shown.state === "error" ? shown.instance : undefined;
  };
  await until("it ends", 20_000, async () => (await instance()) !== undefined);
  expect(await instance()).toMatchObject({
    error_code: "timeout",
    error_message: expect.stringContaining("no delegate with the name or tag site-north is connected") as unknown,
  });
  expect(journalRows(east)).toEqual([]);
});
