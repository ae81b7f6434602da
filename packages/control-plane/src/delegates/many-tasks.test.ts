// Fifty thousand tasks that wait: they stay here, a delegate hears of those it has room for, and everybody else is served.
import { Session } from "node:inspector/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { v7 as uuidv7 } from "uuid";
import { expect, test } from "vitest";
import { testControlPlane, type TestControlPlane } from "../testing/control-plane.ts";
import { connect, type TestDelegate } from "../testing/delegate.ts";

const MANY = 50_000;
const SLOTS = 16;

/** Writes tasks as the lifecycle would, all at once. */
async function addTasks(plane: TestControlPlane, count: number, deadline: number): Promise<void> {
  const made = await plane.call("POST", "/api/v1/gitspaces", { code_repo_url: "https://git.example.com/a/many" });
  const { identifier } = (await made.json()) as { identifier: string };
  const db = new DatabaseSync(join(plane.folder, "control-plane.db"), { timeout: 10_000 });
  const add = db.prepare(
    "INSERT INTO tasks (id, type, gitspace, generation, data, deadline, created, state) VALUES (?, 'vm.status', ?, 1, '{}', ?, ?, 'offered')",
  );
  const at = Date.now();
  db.exec("BEGIN IMMEDIATE");
  for (let index = 0; index < count; index++) add.run(uuidv7(), identifier, deadline, at);
  db.exec("COMMIT");
  db.close();
}

async function heapAfterCollecting(): Promise<number> {
  const session = new Session();
  session.connect();
  await session.post("HeapProfiler.collectGarbage");
  session.disconnect();
  return process.memoryUsage().heapUsed;
}

/** Takes and answers one round of what is offered; gives how many that were and how long the offer took, in milliseconds. */
async function round(delegate: TestDelegate): Promise<{ offered: number; tookMs: number }> {
  const before = performance.now();
  const offered = await delegate.poll(0);
  const tookMs = performance.now() - before;
  for (const { id } of offered) {
    const task = ((await (await delegate.acquire(id)).json()) as { data: Parameters<TestDelegate["succeed"]>[0] }).data;
    await delegate.succeed(task);
  }
  return { offered: offered.length, tookMs };
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

test("E18 I13: of 50,000 tasks a delegate with 16 slots hears of 16 at a time, and an offer costs what it costs with a hundred", async () => {
  await using plane = await testControlPlane();
  const delegate = await connect(plane, { freeSlots: SLOTS });
  const rounds = async (count: number) => {
    const done = [];
    for (let index = 0; index < count; index++) done.push(await round(delegate));
    return done;
  };
  await addTasks(plane, 7 * SLOTS, Date.now() + 3_600_000);
  const few = await rounds(6);
  await addTasks(plane, MANY, Date.now() + 3_600_000);
  await rounds(2);
  const heapBefore = await heapAfterCollecting();
  const many = await rounds(12);
  const heapAfter = await heapAfterCollecting();

  const [costFew, costMany] = [median(few.map((each) => each.tookMs)), median(many.map((each) => each.tookMs))];
  const grownMb = (heapAfter - heapBefore) / 2 ** 20;
  console.log(
    `an offer: ${costFew.toFixed(1)} ms of a hundred, ${costMany.toFixed(1)} ms of ${MANY}; heap +${grownMb.toFixed(1)} MB`,
  );
  expect(many.map(({ offered }) => offered)).toEqual(Array.from({ length: 12 }, () => SLOTS));
  expect(costMany).toBeLessThan(4 * costFew + 10);
  expect(grownMb).toBeLessThan(8);
  // A delegate of the old kind, which does not say how much it can take, is not sent everything either.
  const old = await connect(plane, { delegateName: "old", freeSlots: undefined });
  expect((await old.poll(0)).length).toBeLessThanOrEqual(200);
}, 60_000);

test("E18 I8: thousands of tasks that are overdue at once are settled, and requests are answered meanwhile", async () => {
  await using plane = await testControlPlane();
  const overdue = 5_000;
  await addTasks(plane, overdue, Date.now() + 300);
  const db = new DatabaseSync(join(plane.folder, "control-plane.db"), { readOnly: true, timeout: 10_000 });
  const open = () => (db.prepare("SELECT count(*) AS n FROM tasks WHERE state <> 'answered'").get() as { n: number }).n;
  // Something has to wake whoever sleeps until the next deadline that it knew of.
  await connect(plane);
  let slowest = 0;
  let asked = 0;
  while (open() > 0) {
    const before = performance.now();
    expect((await plane.call("GET", "/api/v1/user")).status).toBe(200);
    slowest = Math.max(slowest, performance.now() - before);
    asked += 1;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  db.close();
  console.log(
    `${overdue} overdue tasks settled; the slowest of ${asked} answers meanwhile took ${slowest.toFixed(0)} ms`,
  );
  expect(asked).toBeGreaterThan(3);
  expect(slowest).toBeLessThan(1_500);
}, 60_000);
