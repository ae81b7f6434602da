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
        lines: () => {
          const task = gateway.submitted.at(-1)?.task;
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
        await job.updateProgress({ events: [eventOf(task, 1)] }, 240_000);
