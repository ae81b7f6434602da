import { parse, resultSchema, Route, RunnerProgress } from "@gitspaces/contracts";
import { afterEach, expect, test } from "vitest";
import {
  destroyTask,
  openBench,
  provisionTask,
  type RunnerBench,
  statusTask,
  stopTask,
} from "./testing/runner-bench.ts";

const HELLO = "hello-k3v9x2";
let bench: RunnerBench;
afterEach(async () => await bench[Symbol.asyncDispose]());

async function warmBench(wanted: Parameters<typeof openBench>[0] = {}): Promise<void> {
  bench = await openBench(wanted);
  await bench.until("the pool is warm", async () => (await bench.warm()).length === bench.pool.warm);
}
const routeOf = async (gitspaceId: string) => {
  const text = await bench.redis.get(`gs:route:${gitspaceId}`);
  return text === null ? null : parse(Route, JSON.parse(text), "route");
};
const vmOf = (answer: Awaited<ReturnType<RunnerBench["run"]>>) => {
  if (answer.outcome === "failed") throw new Error(`${answer.failure.code}: ${answer.failure.message}`);
  return parse(resultSchema("vm.provision"), answer.result, "result");
};

test("a claim takes the warm VM, attaches the home disk, hands over the identity, writes the route", async () => {
  await warmBench();
  const [stock] = await bench.warm();
  const task = provisionTask(HELLO);
  const answer = await bench.run(task);
  const { vm, warm, agentKey } = vmOf(answer);
  expect(warm).toBe(true);
  expect(vm.instanceId).toBe(stock);
  expect(agentKey.crv).toBe("P-256");
  expect(bench.provider.vms.get(vm.instanceId)?.labels).toMatchObject({
    "gs-gitspace": HELLO,
    "gs-generation": "1",
    "gs-task": task.id,
  });
  expect(bench.provider.disks.get(HELLO)?.attachedTo).toBe(vm.instanceId);
  expect(bench.provider.agents.get(vm.instanceId)?.identity).toEqual({
    gitspaceId: HELLO,
    generation: 1,
    taskId: task.id,
    homeDisk: HELLO,
  });
  expect(await routeOf(HELLO)).toMatchObject({ instanceId: vm.instanceId, generation: 1, address: "127.0.0.1" });
  expect(Object.keys(answer.timings)).toEqual(
    expect.arrayContaining(["reserve", "label", "attach", "handover", "route", "total"]),
  );
});

test("after a claim the pool is refilled at once", async () => {
  await warmBench();
  const begunAt = performance.now();
  vmOf(await bench.run(provisionTask(HELLO)));
  await bench.until("the pool is warm again", async () => (await bench.warm()).length === 1);
  expect(performance.now() - begunAt).toBeLessThan(4_000);
});

test("an empty pool makes the VM while the person waits, and says so", async () => {
  bench = await openBench({ pool: { warm: 0 } });
  const task = provisionTask(HELLO);
  const { warm } = vmOf(await bench.run(task));
  expect(warm).toBe(false);
  const { events } = RunnerProgress.parse((await bench.queue.getJob(task.id))?.progress);
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
  expect(events.map(({ kind }) => kind)).toEqual([
    "infra_vm_creation_start",
    "infra_gateway_route_start",
    "infra_gateway_route_completed",
    "infra_vm_creation_completed",
  ]);
  expect(events[0]?.message).toContain("No VM stands ready");
});

test("a second provision of the same Gitspace gets the VM that it holds", async () => {
  await warmBench();
  const first = vmOf(await bench.run(provisionTask(HELLO)));
  const second = vmOf(await bench.run(provisionTask(HELLO, 2)));
  expect(second.vm).toEqual(first.vm);
  expect(second.agentKey).toEqual(first.agentKey);
  expect((await routeOf(HELLO))?.generation).toBe(2);
});

test("an earlier generation is superseded and moves nothing", async () => {
  await warmBench();
  vmOf(await bench.run(provisionTask(HELLO, 5)));
  const late = await bench.run(provisionTask(HELLO, 4));
  expect(late).toMatchObject({ outcome: "failed", failure: { code: "superseded" } });
  expect(await bench.run(stopTask(HELLO, 4))).toMatchObject({ outcome: "failed", failure: { code: "superseded" } });
  expect((await routeOf(HELLO))?.generation).toBe(5);
});

test("stop releases the VM and keeps the disk; the next start has the disk again", async () => {
  await warmBench();
  const { vm } = vmOf(await bench.run(provisionTask(HELLO, 1)));
  expect(await bench.run(stopTask(HELLO, 2))).toMatchObject({ outcome: "ok", result: { power: "gone" } });
  expect(bench.provider.vms.has(vm.instanceId)).toBe(false);
  expect(bench.provider.disks.get(HELLO)).toMatchObject({ attachedTo: null });
  expect(await routeOf(HELLO)).toBeNull();
  const again = vmOf(await bench.run(provisionTask(HELLO, 3)));
  expect(again.vm.instanceId).not.toBe(vm.instanceId);
  expect(bench.provider.disks.get(HELLO)?.attachedTo).toBe(again.vm.instanceId);
});

test("stopping and destroying what is already gone succeeds", async () => {
  await warmBench();
  expect(await bench.run(stopTask(HELLO, 1))).toMatchObject({ outcome: "ok", result: { power: "gone" } });
  expect(await bench.run(stopTask(HELLO, 1))).toMatchObject({ outcome: "ok" });
  expect(await bench.run(destroyTask(HELLO, 2))).toMatchObject({ outcome: "ok" });
  expect(await bench.run(destroyTask(HELLO, 2))).toMatchObject({ outcome: "ok" });
});

test("destroy removes VM and disk, and nothing starts after it", async () => {
  await warmBench();
  vmOf(await bench.run(provisionTask(HELLO, 1)));
  expect(await bench.run(destroyTask(HELLO, 2))).toMatchObject({ outcome: "ok" });
  expect(bench.provider.disks.has(HELLO)).toBe(false);
  expect(await routeOf(HELLO)).toBeNull();
  expect(await bench.run(provisionTask(HELLO, 3))).toMatchObject({
    outcome: "failed",
    failure: { code: "superseded" },
  });
});

test("destroy never removes another Gitspace's disk", async () => {
  await warmBench();
  vmOf(await bench.run(provisionTask(HELLO, 1)));
  expect(await bench.run(destroyTask("other-a1b2c3", 1, HELLO))).toMatchObject({
    outcome: "failed",
    failure: { code: "denied" },
  });
  expect(bench.provider.disks.has(HELLO)).toBe(true);
});

test("status tells the VM and its power", async () => {
  await warmBench();
  expect(await bench.run(statusTask(HELLO, 1))).toMatchObject({ outcome: "ok", result: { vm: null } });
  const { vm } = vmOf(await bench.run(provisionTask(HELLO, 1)));
  expect(await bench.run(statusTask(HELLO, 1))).toMatchObject({
    outcome: "ok",
    result: { vm: { instanceId: vm.instanceId, power: "running", generation: 1 } },
  });
});

test("a pool that is not in pool.yml is named in the answer", async () => {
  await warmBench();
  const task = provisionTask(HELLO);
  const answer = await bench.run({ ...task, data: { ...task.data, pool: "large" } });
  expect(answer).toMatchObject({ outcome: "failed", failure: { code: "not_found", field: "pool" } });
});

test("a task whose deadline has passed is answered timeout and does nothing", async () => {
  await warmBench();
  expect(await bench.run(provisionTask(HELLO, 1, -1))).toMatchObject({
    outcome: "failed",
    failure: { code: "timeout" },
  });
  expect(bench.provider.disks.size).toBe(0);
});

test("a task that is not one is answered bad_request", async () => {
  await warmBench();
  const task = provisionTask(HELLO);
  const answer = await bench.run({ ...task, data: { pool: "Not A Pool" } } as unknown as typeof task);
  expect(answer).toMatchObject({ outcome: "failed", failure: { code: "bad_request" } });
});

test("a stop leaves the home in the VM until the VM has lost its power", async () => {
  const operations: string[] = [];
  await warmBench({ provider: { before: (operation) => void operations.push(operation) } });
  vmOf(await bench.run(provisionTask(HELLO)));
  operations.length = 0;
  expect(await bench.run(stopTask(HELLO, 2))).toMatchObject({ outcome: "ok" });
  expect(operations).toContain("remove");
  expect(operations).not.toContain("detachDisk");
  expect(bench.provider.disks.get(HELLO)).toMatchObject({ attachedTo: null });
});

test("I6: a stop whose VM goes, or changes its labels, while it is being labelled has stopped it", async () => {
  let happens: ((id: string) => void) | undefined;
  const before = (operation: string, id: string) => {
    if (operation !== "label") return;
    happens?.(id);
    happens = undefined;
  };
  await warmBench({ provider: { before } });
  vmOf(await bench.run(provisionTask(HELLO, 1)));
  happens = (id) => void bench.provider.vms.delete(id);
  expect(await bench.run(stopTask(HELLO, 2))).toMatchObject({ outcome: "ok", result: { power: "gone" } });
  const { vm } = vmOf(await bench.run(provisionTask(HELLO, 3)));
  happens = (id) => {
    const present = bench.provider.vms.get(id);
    if (present !== undefined) present.version = "changed meanwhile";
  };
  expect(await bench.run(stopTask(HELLO, 4))).toMatchObject({ outcome: "ok", result: { power: "gone" } });
  expect(bench.provider.vms.has(vm.instanceId)).toBe(false);
});
