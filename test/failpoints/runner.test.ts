import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { effects, failpointNames } from "../../apps/runner/src/failpoints.ts";
import { outsideCalls } from "./outside-calls.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const files = [
  "claiming",
  "attempts",
  "vm-making",
  "vm-removal",
  "home-disk",
  "vm-tasks",
  "task-worker",
  "gitspace-lock",
  "pool-loop",
  "enrolment",
  "last-words",
].map((name) => `${root}apps/runner/src/${name}.ts`);

const reads = "only reads";
const waits = "only waits";
const measures = "measures the work it is given";
const ours = "made of effects that are read here themselves";
const stands = "opens or closes what lives and dies with this process";

/** Calls that change nothing outside the process, each with the reason. */
const harmless: Record<string, string> = {
  "agents.status": reads,
  "cancellations.watch": reads,
  "claims.get": reads,
  "provider.diagnose": reads,
  "provider.get": reads,
  "provider.list": reads,
  "provider.listDisks": reads,
  "store.get": reads,
  "store.list": reads,
  "tokens.peek": reads,
  readCsr: reads,
  readFile: reads,
  "members.given": "who is not written down as renewed is waited for a little longer, and asks again",
  "ca.issue": "computes a certificate; who gets none asks again with a new token",
  sleep: waits,
  flushed: waits,
  "watch.measure": measures,
  "turn.watch.measure": measures,
  alone: ours,
  lastWords: ours,
  "claiming.provision": ours,
  "hold.confirm": ours,
  "disks.attach": ours,
  "disks.remove": ours,
  "making.make": ours,
  "removal.remove": ours,
  "removal.removeClaimed": ours,
  tasks: ours,
  work: ours,
  "app.listen": stands,
  "app.close": stands,
  "worker.close": stands,
  "job.extendLock": "says whether the task is still ours; its time is renewed anyway",
  "begun.begin": ours,
  "one.handBack": ours,
  "job.moveToWait": "hands the task back when a runner stops in good order; its lock does the same when it dies",
};

/** Effects at the queue: their points stand in place. */
const inPlace = new Set(["job.updateProgress", "job.updateData"]);
/** Each user of a label has a point of its own. */
const labelled = new Set(["provider.label"]);

const named = new Set(
  Object.entries(effects).flatMap(([port, methods]) => Object.keys(methods).map((method) => `${port}.${method}`)),
);

test("I6 E1: every effect of a claim, a stop, a delete and a refill has a failpoint, or is none", () => {
  const calls = outsideCalls(root, files);
  const unknown = calls.filter(({ callee }) => {
    const name = callee.replace(/^collaborators\./, "");
    return !(named.has(name) || inPlace.has(name) || labelled.has(name) || name in harmless || isRunAtOnce(name));
  });
  expect(unknown).toEqual([]);
  // What is listed is still called: a name that nobody uses would excuse the next one of that name.
  const called = new Set(calls.map(({ callee }) => callee.replace(/^collaborators\./, "")));
  expect(Object.keys(harmless).filter((name) => !called.has(name))).toEqual([]);
});

test("I6 E1: every failpoint of the runner has a name of its own", () => {
  expect(new Set(failpointNames).size).toBe(failpointNames.length);
  expect(failpointNames).toEqual(
    expect.arrayContaining(["runner.afterReserve", "runner.afterClaimLabel", "runner.beforeAnswer"]),
  );
});

function isRunAtOnce(callee: string): boolean {
  return callee.startsWith("(async () =>");
}
