// Every failpoint of the delegate is acted on once, before and after its effect, while tasks of every fate go through it.
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { okAnswer, type TaskResult, type VmTask } from "@gitspaces/contracts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { failpointNames, gatewayPoints } from "../../apps/delegate/src/failpoints.ts";
import { makeCa, storeIdentity } from "../../apps/delegate/src/testing/certificates.ts";
import { TestControlPlane } from "../../apps/delegate/src/testing/control-plane.ts";
import { startGateway, type TestGateway } from "../../apps/delegate/src/testing/gateway.ts";
import { response } from "../../apps/delegate/src/testing/house.ts";
import { startProcess } from "../../apps/delegate/src/testing/process.ts";
import { startRedis } from "../../apps/delegate/src/testing/redis.ts";
import { eventOf, startRunner, vmGone } from "../../apps/delegate/src/testing/runner.ts";
import { makeSettings, type TestSettings } from "../../apps/delegate/src/testing/settings.ts";
import { gitspaceTask, vmTask, wire } from "../../apps/delegate/src/testing/task.ts";
import { until } from "./house.ts";

const standing: readonly string[] = Object.values(gatewayPoints);
const points = failpointNames.flatMap((name) =>
  standing.includes(name) ? [name] : [name.replace(".after", ".before"), name],
);
const SLOW_MS = 1_200;
let cleanup: AsyncDisposableStack;
beforeEach(() => {
  cleanup = new AsyncDisposableStack();
});
afterEach(() => cleanup.disposeAsync());

/** Runs the delegate, again whenever it dies, until disposed; gives how often it died. */
function keepRunning(settings: TestSettings, variables: Record<string, string>): AsyncDisposable & { deaths: number } {
  const over = new AbortController();
  let present: Awaited<ReturnType<typeof startProcess>> | undefined;
  const keeping = { deaths: 0, [Symbol.asyncDispose]: end };
  const loop = (async () => {
    while (!over.signal.aborted) {
      present = await startProcess(settings, { variables, atOnce: true });
      if (over.signal.aborted) return await present.kill();
      await once(present.child, "exit");
      keeping.deaths += 1;
    }
  })();
  async function end(): Promise<void> {
    over.abort();
    await present?.kill();
    await loop;
  }
  return keeping;
}

test.each(["kill", "error"])(
  "I2 E1: with %s at every failpoint of the delegate, each task has one answer",
  async (action) => {
    const redis = cleanup.use(await startRedis());
    const controlPlane = cleanup.use(await new TestControlPlane().open());
    const ca = cleanup.use(makeCa());
    const gateway: TestGateway = cleanup.use(
      await startGateway(ca.issue("gateway", "gateway-1"), {
        lines: (_after, _attempt, taskId) => {
          const task = gateway.submitted.find((each) => each.task.id === taskId)?.task;
          if (task === undefined) return [];
          const result: TaskResult<"gitspace.status"> = {
            state: "running",
            ports: [],
            ide: "ready",
            hasGitChanges: false,
          };
          return [{ event: eventOf(task, 1) }, { answer: okAnswer({ ...task, type: "gitspace.status" }, result) }];
        },
      }),
    );
    const settings = cleanup.use(makeSettings({ controlPlaneUrl: controlPlane.url, redisUrl: redis.url, slots: 64 }));
    storeIdentity(settings.folder, ca.issue("delegate", "delegate-1"));
    const slow = new Set<string>();
    const runner = cleanup.use(
      startRunner(redis.url, async (task, job) => {
        await job.updateProgress({ events: [eventOf(task, 1)] });
        await sleep(slow.has(task.id) ? SLOW_MS : 20);
        return vmGone(task);
      }),
    );
    const folder = mkdtempSync(join(tmpdir(), "failpoints-"));
    cleanup.defer(() => rmSync(folder, { recursive: true }));
    for (const name of points) writeFileSync(join(folder, name), action);
    const unpassed = () => points.filter((name) => readFileSync(join(folder, name), "utf8") === action);

    const [lost, unheard] = [new Set<string>(), new Set<string>()];
    controlPlane.intercept = ({ path }) => {
      if (path.endsWith("/acquire") && [...lost].some((id) => path.includes(id))) return 409;
      return path.endsWith("/events") && [...unheard].some((id) => path.includes(id)) ? 404 : undefined;
    };
    const isClosed = ({ id }: { id: string }) => controlPlane.tasks.get(id)?.closed === true;
    const fine: VmTask[] = [];
    const others: { id: string }[] = [];
    const fate = <T extends VmTask | ReturnType<typeof gitspaceTask>>(task: T, marked?: Set<string>): T => {
      marked?.add(task.id);
      controlPlane.offer(wire(task));
      return task;
    };
    const delegate = cleanup.use(
      keepRunning(settings, {
        GITSPACES_FAILPOINT_FOLDER: folder,
        GITSPACES_GATEWAY_TASKS_URL: gateway.url,
      }),
    );
    const deadline = performance.now() + 150_000;
    while (unpassed().length > 0 && performance.now() < deadline) {
      fine.push(fate(vmTask(600_000)), fate(vmTask(600_000), unheard));
      others.push(fate(gitspaceTask(600_000)), fate(vmTask(700), slow));
      const stray = fate(vmTask(600_000), lost);
      const cancelled = fate(vmTask(600_000), slow);
      others.push(cancelled);
      await sleep(350);
      controlPlane.cancel(cancelled.id);
      for (const { id } of fine.filter(isClosed).slice(-2)) controlPlane.offerAgain(id);
      await sleep(350);
      controlPlane.tasks.delete(stray.id);
    }
    expect(unpassed()).toEqual([]);
    const deaths = action === "kill" ? points.length : 0;
    await until("the last to be killed is dead", 10_000, () => delegate.deaths >= deaths);
    expect(delegate.deaths).toBe(deaths);
    await until("every task is answered", 60_000, () => [...fine, ...others].every(isClosed));
    for (const { id } of [...fine, ...others]) {
      expect(new Set(controlPlane.answers.get(id)).size, `answers to ${id}`).toBe(1);
    }
    for (const { id } of fine) expect(response(controlPlane.answers.get(id)?.[0] ?? "").code).toBe("OK");
    expect(new Set(runner.executed).size).toBe(runner.executed.length);
  },
  240_000,
);
