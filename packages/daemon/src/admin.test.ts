import { expect, test } from "vitest";
import { startAdmin } from "./admin.ts";
import { createLog } from "./log.ts";

const log = createLog("test", "error");
const listen = { host: "127.0.0.1", port: 0 };

test("readiness tells which part fails and why, and recovers by itself", async () => {
  let redis = "is away";
  const checks = {
    redis: () => {
      if (redis !== "") throw new Error(redis);
    },
    disk: async () => {},
  };
  await using admin = await startAdmin({ listen, log, name: "runner", checks });
  const ready = () => fetch(`http://127.0.0.1:${admin.address.port}/readyz`);

  const before = await ready();
  expect([before.status, await before.json()]).toEqual([
    503,
    { ready: false, name: "runner", reasons: { redis: "is away" } },
  ]);
  redis = "";
  expect((await ready()).status).toBe(200);
});

test("a check that hangs counts as failing", async () => {
  await using admin = await startAdmin({
    listen,
    log,
    name: "runner",
    checks: { queue: () => new Promise<void>(() => {}) },
  });
  const answer = await fetch(`http://127.0.0.1:${admin.address.port}/readyz`);
  expect(await answer.json()).toMatchObject({ reasons: { queue: "no answer within 3000 ms" } });
});

test("metrics are in the Prometheus format", async () => {
  const { Counter } = await import("prom-client");
  new Counter({ name: "gitspaces_test_total", help: "test" }).inc(3);
  await using admin = await startAdmin({ listen, log, name: "runner", checks: {} });
  const answer = await fetch(`http://127.0.0.1:${admin.address.port}/metrics`);
  expect(await answer.text()).toContain("gitspaces_test_total 3");
});

test("metrics tell of the process: memory, open files, what keeps it busy; also when they are asked for again", async () => {
  await using admin = await startAdmin({ listen, log, name: "runner", checks: {} });
  for (let time = 0; time < 2; time++) {
    const text = await (await fetch(`http://127.0.0.1:${admin.address.port}/metrics`)).text();
    const figure = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
    expect(figure("process_resident_memory_bytes")).toBeGreaterThan(1_000_000);
    expect(figure("nodejs_heap_size_used_bytes")).toBeGreaterThan(1_000_000);
    expect(figure("process_open_fds")).toBeGreaterThan(3);
    expect(figure("nodejs_active_resources_total")).toBeGreaterThan(0);
  }
});
