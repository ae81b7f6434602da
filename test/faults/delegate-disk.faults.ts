// A disk that refuses every write of a running delegate: nothing is taken and nothing told that is not on the disk.
import { execFileSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import type { VmTask } from "@gitspaces/contracts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { TestControlPlane } from "../../apps/delegate/src/testing/control-plane.ts";
import { response } from "../../apps/delegate/src/testing/house.ts";
import { type DelegateProcess, startProcess } from "../../apps/delegate/src/testing/process.ts";
import { startRedis } from "../../apps/delegate/src/testing/redis.ts";
import { startRunner, vmGone } from "../../apps/delegate/src/testing/runner.ts";
import { makeSettings } from "../../apps/delegate/src/testing/settings.ts";
import { vmTask, wire } from "../../apps/delegate/src/testing/task.ts";
import { until } from "./house.ts";

let cleanup: AsyncDisposableStack;
beforeEach(() => {
  cleanup = new AsyncDisposableStack();
});
afterEach(() => cleanup.disposeAsync());

/** The soft limit of how large a file the process may write, bytes: with `1:` each of its writes to a disk fails. */
function limitFiles({ child }: DelegateProcess, limit: string): void {
  execFileSync("prlimit", ["--pid", String(child.pid), `--fsize=${limit}`]);
}

test.each([
  ["the disk takes writes again", false],
  ["it was killed and started on a disk that does", true],
])(
  "I2 I14 E13: a delegate whose disk refuses writes takes no task and tells no answer, until %s",
  async (_, isKilled) => {
    const redis = cleanup.use(await startRedis());
    const controlPlane = cleanup.use(await new TestControlPlane().open());
    const settings = cleanup.use(makeSettings({ controlPlaneUrl: controlPlane.url, redisUrl: redis.url }));
    const gate = Promise.withResolvers<void>();
    const runner = cleanup.use(
      startRunner(redis.url, async (task) => {
        await gate.promise;
        return vmGone(task);
      }),
    );
    const offer = (task: VmTask) => controlPlane.offer(wire(task));
    const delegate = cleanup.use(await startProcess(settings));
    const [before, during] = [1, 2].map(() => Array.from({ length: 3 }, () => vmTask(600_000))) as [VmTask[], VmTask[]];
    before.forEach(offer);
    await until("the runner has the first tasks", 20_000, () => runner.executed.length === 3);

    limitFiles(delegate, "1:");
    gate.resolve();
    during.forEach(offer);
    await until(
      "readiness says why",
      15_000,
      async () => (await delegate.readiness())?.reasons["journal"] !== undefined,
    );
    await sleep(2_000);
    for (const { id } of [...before, ...during]) expect(controlPlane.answers.get(id)).toBeUndefined();
    for (const { id } of during) expect(controlPlane.tasks.get(id)?.holder).toBeUndefined();

    if (isKilled) {
      await delegate.kill();
      cleanup.use(await startProcess(settings));
    } else limitFiles(delegate, "unlimited:");
    const all = [...before, ...during];
    await until("every task is answered", 30_000, () =>
      all.every(({ id }) => controlPlane.tasks.get(id)?.closed === true),
    );
    for (const { id } of all) {
      const answers = new Set(controlPlane.answers.get(id));
      expect(answers.size).toBe(1);
      expect(response([...answers][0] ?? "").code).toBe("OK");
    }
    expect(runner.executed.toSorted()).toEqual(all.map(({ id }) => id).toSorted());
  },
);
