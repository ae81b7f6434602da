import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { Queue } from "bullmq";
import { afterEach, expect, test } from "vitest";
import { startRedis } from "../../apps/runner/src/testing/redis-server.ts";
import { type Fleet, type Member, openFleet } from "../../apps/runner/src/testing/fleet.ts";
import { provisionTask, stopTask } from "../../apps/runner/src/testing/runner-bench.ts";
import { until } from "./house.ts";

const LOCK_MS = 2_000;
const DEADLINE_MS = 100_000;
const GITSPACE = "hello-k3v9x2";

let fleet: Fleet;
afterEach(async () => await fleet[Symbol.asyncDispose]());

const boundTo = (gitspaceId: string) =>
  [...fleet.cloud.provider.vms.values()].filter(({ labels }) => labels["gs-gitspace"] === gitspaceId);
/** Everything that people, gateways and the control plane can see of a Gitspace, without the version of its labels. */
async function seen(gitspaceId: string): Promise<unknown> {
  return {
    vms: boundTo(gitspaceId).map(({ id, power, labels, disks }) => ({ id, power, labels, disks })),
    identities: boundTo(gitspaceId).map(({ id }) => fleet.cloud.provider.agents.get(id)?.identity),
    disks: [...fleet.cloud.provider.disks.values()],
    route: await fleet.redis.get(`gs:route:${gitspaceId}`),
    // What a sweep would act on next.
    records: await Promise.all(
      boundTo(gitspaceId).map(({ id }) => fleet.redis.hmget(`gs:vm:${id}`, "power", "agent", "owner", "generation")),
    ),
    claim: await fleet.redis.hmget(`gs:claim:${gitspaceId}`, "vm", "generation", "stopped"),
  };
}
async function paused(member: Member, failpoint: string): Promise<void> {
  await until(`${member.name} is paused at ${failpoint}`, 40_000, () => member.hasPassed(failpoint));
}
/** Lets it go on and gives it the time to do all that it still had in mind. */
async function resume(member: Member): Promise<void> {
  member.signal("SIGCONT");
  await sleep(LOCK_MS * 2);
}

const pauses = [
  "runner.afterReserve",
  "runner.afterClaimLabel",
  "runner.afterDiskCreate",
  "runner.afterDiskAttach",
  "runner.afterIdentityHanded",
  "runner.afterRouteSet",
  "runner.beforeAnswer",
];
test("I1 I2 I6 E2: a runner that was paused anywhere in a start changes nothing after another has finished it", async () => {
  fleet = await openFleet({
    pool: { warm: 2, max: 12 },
    settings: { taskLockMs: LOCK_MS, sweepMs: 1_000, vmStartMs: 20_000 },
  });
  const [one, two] = [await fleet.start("one"), await fleet.start("two")];
  for (const [index, failpoint] of pauses.entries()) {
    const task = provisionTask(`hello-k3v9x${index}`, 1, DEADLINE_MS);
    // Whoever takes the task is paused; the other one finishes it.
    for (const member of [one, two]) member.arm(failpoint, "stop");
    await fleet.add(task);
    await until(
      `a runner is paused at ${failpoint}`,
      40_000,
      () => one.hasPassed(failpoint) || two.hasPassed(failpoint),
    );
    const [zombie, other] = one.hasPassed(failpoint) ? [one, two] : [two, one];
    other.disarm(failpoint);
    const answered = await fleet.answer(task, 40_000);
    expect(answered).toMatchObject({ outcome: "ok" });
    const before = await seen(task.gitspaceId);
    expect(boundTo(task.gitspaceId)).toHaveLength(1);
    const begun = fleet.cloud.changes.length;
    await resume(zombie);
    const after = { failpoint, seen: await seen(task.gitspaceId), answer: await fleet.answer(task, 1_000) };
    expect(after).toEqual({ failpoint, seen: before, answer: answered });
    // Labelling and attaching again what is so already changes nothing; making and removing would.
    const late = fleet.cloud.changes.slice(begun).filter(({ by }) => by === zombie.name);
    const ownVm = boundTo(task.gitspaceId).map(({ id }) => id);
    expect(late.filter(({ operation, id }) => operation === "remove" && ownVm.includes(id))).toEqual([]);
  }
  expect(fleet.cloud.provider.counts.most).toBeLessThanOrEqual(fleet.pool.max);
});

test("I1 I6 E2: a runner that was paused while it gave a VM up does not take it from the one that finished the task", async () => {
  let isBroken = true;
  const before = (operation: string) => {
    if (operation === "attachDisk" && isBroken) throw new Error("the disk cannot be attached now");
  };
  fleet = await openFleet({
    pool: { warm: 1, max: 6 },
    cloud: { before },
    settings: { taskLockMs: LOCK_MS, sweepMs: 60_000, vmStartMs: 20_000 },
  });
  const one = await fleet.start("one");
  // Its claim failed, it has confirmed that the Gitspace is still its own, and is about to remove the VM.
  one.arm("runner.beforeDeletingRecorded", "stop");
  const task = provisionTask(GITSPACE, 1, DEADLINE_MS);
  await fleet.add(task);
  await paused(one, "runner.beforeDeletingRecorded");
  isBroken = false;
  await fleet.start("two");
  expect(await fleet.answer(task, 40_000)).toMatchObject({ outcome: "ok" });
  const finished = await seen(GITSPACE);
  await resume(one);
  expect(await seen(GITSPACE)).toEqual(finished);
  expect(boundTo(GITSPACE)).toHaveLength(1);
});

test("I1 I6 E2: a runner that was paused in a stop does not take the VM of the start that came after it", async () => {
  fleet = await openFleet({
    pool: { warm: 1, max: 6 },
    settings: { taskLockMs: LOCK_MS, sweepMs: 60_000, vmStartMs: 20_000 },
  });
  const one = await fleet.start("one");
  const first = provisionTask(GITSPACE, 1, DEADLINE_MS);
  await fleet.add(first);
  expect(await fleet.answer(first, 30_000)).toMatchObject({ outcome: "ok" });
  one.arm("runner.afterGenerationLabel", "stop");
  await fleet.add(stopTask(GITSPACE, 2));
  await paused(one, "runner.afterGenerationLabel");
  await fleet.start("two");
  const again = provisionTask(GITSPACE, 3, DEADLINE_MS);
  await fleet.add(again);
  expect(await fleet.answer(again, 40_000)).toMatchObject({ outcome: "ok" });
  const finished = await seen(GITSPACE);
  expect(boundTo(GITSPACE)).toHaveLength(1);
  await resume(one);
  expect(await seen(GITSPACE)).toEqual(finished);
});

test("I4 E2: the holder of a pool's lease makes nothing beyond the pool's target after a pause", async () => {
  fleet = await openFleet({ pool: { warm: 3, max: 12 }, settings: { taskLockMs: LOCK_MS, sweepMs: 60_000 } });
  const one = await fleet.start("one", { GITSPACES_FAILPOINT: "runner.beforeStockAdded:stop" });
  // It has planned three VMs, and sleeps before the first of them.
  await until("it sleeps", 30_000, () => isStopped(one.pid));
  const two = await fleet.start("two");
  await until("the other one has filled the pool", 60_000, async () => (await fleet.warm()).length === 3);
  const { created } = fleet.cloud.provider.counts;
  // Three planned, each of which sleeps again; then its next look at the pool.
  for (let times = 0; times < 6; times++) {
    one.signal("SIGCONT");
    await sleep(500);
  }
  expect(fleet.cloud.provider.counts.created).toBe(created);
  expect(await fleet.warm()).toHaveLength(3);
  expect(two.isRunning).toBe(true);
});

test("E2: a plain BullMQ worker acts twice after a pause", async () => {
  fleet = await openFleet();
  const redis = await startRedis();
  await using opened = new AsyncDisposableStack();
  opened.use(redis);
  const queue = new Queue("plain", { connection: redis.connect() });
  opened.defer(async () => await queue.close());
  const sink = redis.connect();
  const plain = fileURLToPath(new URL("plain-worker.ts", import.meta.url));
  const worker = async (name: string): Promise<ChildProcess> => {
    const child = fork(plain, [redis.url, name], { execArgv: ["--disable-warning=ExperimentalWarning"] });
    opened.defer(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGKILL");
      await once(child, "exit");
    });
    await once(child, "message");
    return child;
  };
  const deeds = async () => await sink.lrange("deeds", 0, -1);
  const one = await worker("one");
  const begun = once(one, "message");
  await queue.add("work", {});
  await begun;
  one.kill("SIGSTOP");
  await worker("two");
  await until("the other one has done it", 30_000, async () => (await deeds()).includes("two"));
  one.kill("SIGCONT");
  await until("it is done once more", 20_000, async () => (await deeds()).length === 2);
  expect(await deeds()).toEqual(["two", "one"]);
});

/** As `ps` says it. */
function isStopped(pid: number): boolean {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return stat.slice(stat.lastIndexOf(")") + 2).startsWith("T");
}
