import { afterEach, expect, test } from "vitest";
import { type Fleet, type Member, openFleet } from "../../apps/runner/src/testing/fleet.ts";
import { destroyTask, provisionTask, statusTask, stopTask } from "../../apps/runner/src/testing/runner-bench.ts";
import { until } from "./house.ts";

let fleet: Fleet | undefined;
afterEach(async () => await fleet?.[Symbol.asyncDispose]());

const LOCK_MS = 1_000;
/** Five deaths, five starts: on a busy machine they take their time. */
const DEADLINE_MS = 240_000;
const TEST = { timeout: 300_000 };

/** Starts the runner again whenever it dies, as whoever supervises it would. Gives how often it died. */
function supervise(of: Fleet, env: Record<string, string>): { deaths: () => number; stop: () => Promise<void> } {
  let deaths = 0;
  const over = new AbortController();
  let member: Member | undefined;
  const living = (async () => {
    while (!over.signal.aborted) {
      member = await of.start("one", env);
      await member.ended;
      if (!over.signal.aborted) deaths++;
    }
  })();
  return {
    deaths: () => deaths,
    async stop() {
      over.abort();
      member?.signal("SIGKILL");
      await living;
    },
  };
}

test(
  "I8 E18: a task that ends its runner each time is parked after five attempts, and the others are answered",
  TEST,
  async () => {
    fleet = await openFleet({ pool: { warm: 2, max: 10 }, settings: { taskLockMs: LOCK_MS, vmStartMs: 20_000 } });
    const gitspaces = Array.from({ length: 4 }, (_, index) => `other-a1b2c${index}`);
    // Only the delete of a Gitspace that has a home disk passes the failpoint that is armed below.
    const poison = { ...destroyTask("poison-k3v9x2", 2), deadline: Date.now() + DEADLINE_MS };
    const others = gitspaces.map((id) => provisionTask(id, 1, DEADLINE_MS));
    await fleet.add(poison);
    for (const task of others) await fleet.add(task);
    const supervised = supervise(fleet, { GITSPACES_FAILPOINT: "runner.beforeDiskRemove:kill" });
    try {
      for (const task of others) expect(await fleet.answer(task, DEADLINE_MS)).toMatchObject({ outcome: "ok" });
      expect(await fleet.answer(poison, DEADLINE_MS)).toMatchObject({
        outcome: "failed",
        failure: {
          code: "internal",
          retry: "never",
          message: expect.stringContaining("tried 5 times and ended the runner each time") as string,
        },
      });
      expect(supervised.deaths()).toBe(5);
      // The house goes on: what the control plane asks next of these Gitspaces is done.
      const next = [stopTask("other-a1b2c0", 2), statusTask("other-a1b2c1", 1)];
      for (const task of next) await fleet.add(task);
      for (const task of next) expect(await fleet.answer(task, 30_000)).toMatchObject({ outcome: "ok" });
      expect(supervised.deaths()).toBe(5);
    } finally {
      await supervised.stop();
    }
  },
);

test("I8 E18: a VM that a parked start holds is released by the stop that follows", TEST, async () => {
  fleet = await openFleet({ pool: { warm: 1, max: 4 }, settings: { taskLockMs: 1_000 } });
  const poison = provisionTask("poison-k3v9x2", 1, DEADLINE_MS);
  await fleet.add(poison);
  const supervised = supervise(fleet, { GITSPACES_FAILPOINT: "runner.beforeIdentityHanded:kill" });
  try {
    expect(await fleet.answer(poison, DEADLINE_MS)).toMatchObject({ outcome: "failed", failure: { code: "internal" } });
    const bound = () =>
      [...(fleet?.cloud.provider.vms.values() ?? [])].filter((vm) => vm.labels["gs-gitspace"] === poison.gitspaceId);
    expect(bound()).toHaveLength(1);
    const stop = stopTask(poison.gitspaceId, 1);
    await fleet.add(stop);
    expect(await fleet.answer(stop, 30_000)).toMatchObject({ outcome: "ok", result: { power: "gone" } });
    expect(bound()).toEqual([]);
  } finally {
    await supervised.stop();
  }
});

test("I8: a task that is handed back by a runner that stops in good order has lost no attempt", async () => {
  let isHeld = true;
  const cloud = {
    before: async (operation: string) => {
      if (operation === "attachDisk") await until("released", 60_000, () => !isHeld);
    },
  };
  fleet = await openFleet({ pool: { warm: 1, max: 4 }, cloud, settings: { taskLockMs: 2_000 } });
  const one = await fleet.start("one");
  const task = provisionTask("hello-k3v9x2", 1, DEADLINE_MS);
  await fleet.add(task);
  const data = async () => ((await fleet?.queue.getJob(task.id))?.data ?? {}) as { begun?: number };
  await until("it was begun", 30_000, async () => (await data()).begun === 1);
  one.signal("SIGTERM");
  await one.ended;
  expect((await data()).begun).toBe(0);
  isHeld = false;
  await fleet.start("one");
  expect(await fleet.answer(task, 30_000)).toMatchObject({ outcome: "ok" });
});
