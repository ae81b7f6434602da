// Use is told at its pace, kept while the control plane is away, and counted once.
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLog, systemClock } from "@gitspaces/daemon";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Activity } from "./live-connections.ts";
import { type Reporting, startReports } from "./reports.ts";
import { TestControlPlane, TOKEN } from "./testing/control-plane.ts";
import { until } from "./testing/street.ts";

let plane: TestControlPlane;
let folder: string;
let moved: Activity[];
beforeEach(async () => {
  plane = await TestControlPlane.start();
  folder = mkdtempSync(join(tmpdir(), "reports-"));
  moved = [];
});
afterEach(async () => {
  await plane[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const file = () => join(folder, "reports.json");
const use = (bytes: number, more: Partial<Activity> = {}): Activity => ({
  gitspaceId: "hello-k3v9x2",
  generation: 1,
  source: "http",
  port: 8089,
  bytes,
  active: true,
  ...more,
});
function reporting(more: Partial<Reporting> = {}): Reporting {
  return {
    controlPlane: { url: plane.url, token: TOKEN },
    gateway: "g1",
    version: "1",
    isHealthy: () => true,
    takeActivity: () => moved.splice(0),
    takeUses: () => [],
    countRoutes: () => 3,
    ssh: () => ({}),
    file: file(),
    clock: systemClock,
    log: createLog("reports-test", "silent"),
    pace: { healthMs: 10, activityMs: 10 },
    ...more,
  };
}
const told = () => plane.reports.filter((report) => report.kind === "activity").map(({ bytes }) => bytes);
const kept = () => JSON.parse(readFileSync(file(), "utf8")) as { id: string; lines: { bytes: number }[] }[];

test("activity is told no more often than its pace, health meanwhile", async () => {
  await using opened = new AsyncDisposableStack();
  opened.use(startReports(reporting({ pace: { healthMs: 10, activityMs: 60_000 } })));
  moved.push(use(5));
  await until(() => plane.reports.length >= 5, "health was told five times");
  expect(told()).toEqual([]);
});

test("while the control plane is away lines of the same use become one, on disk; all is told when it is back", async () => {
  await using opened = new AsyncDisposableStack();
  opened.use(startReports(reporting()));
  await until(() => plane.reports.length > 0, "it has begun");
  plane.refuses = 503;
  moved.push(use(1));
  await until(() => existsSync(file()) && kept().length === 1, "the first batch is kept");
  for (let minute = 0; minute < 5; minute += 1) {
    moved.push(use(10), use(7, { active: false }));
    await until(() => moved.length === 0, "it is taken");
  }
  await until(() => kept()[1]?.lines[1]?.bytes === 35, "all is kept");
  expect(kept().map(({ lines }) => lines.map(({ bytes }) => bytes))).toEqual([[1], [50, 35]]);
  plane.refuses = undefined;
  await until(() => told().length === 3, "all is told");
  expect(told()).toEqual([1, 50, 35]);
  await until(() => kept().length === 0, "nothing is kept any more");
});

test("what could not be told is told by the next process, under the same name", async () => {
  plane.refuses = 500;
  {
    await using opened = new AsyncDisposableStack();
    opened.use(startReports(reporting()));
    moved.push(use(1));
    await until(() => moved.length === 0, "it is taken");
    moved.push(use(2));
  }
  const names = kept().map(({ id }) => id);
  plane.refuses = undefined;
  await using opened = new AsyncDisposableStack();
  opened.use(startReports(reporting()));
  await until(() => told().length === names.length, "it is told");
  expect(told().reduce((sum, bytes) => sum + bytes)).toBe(3);
  expect(plane.batches).toEqual(names);
});

test("a process that ends tells what moved since the last minute", async () => {
  {
    await using opened = new AsyncDisposableStack();
    opened.use(startReports(reporting({ pace: { healthMs: 10, activityMs: 60_000 } })));
    await until(() => plane.reports.length > 0, "it has begun");
    moved.push(use(9));
  }
  expect(told()).toEqual([9]);
});

test("a process that only drains tells its activity and no health, and writes nothing", async () => {
  {
    await using opened = new AsyncDisposableStack();
    opened.use(startReports(reporting({ file: undefined })));
    moved.push(use(4));
    await until(() => told().length === 1, "it is told");
  }
  expect(plane.reports.map(({ kind }) => kind)).toEqual(["activity"]);
  expect(existsSync(file())).toBe(false);
});
