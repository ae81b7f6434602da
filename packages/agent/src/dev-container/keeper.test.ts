// One loop that makes good what is not as it should be, on a thing that a test breaks.
import { FailureError, failure } from "@gitspaces/contracts";
import { createLog } from "@gitspaces/daemon";
import { expect, test } from "vitest";
import { Keeper } from "./keeper.ts";

const log = createLog("agent", "silent");

class Thing {
  broken = true;
  atOnce = 0;
  most = 0;
  recoveries = 0;
  failures: Error[] = [];
  silences: Error[] = [];
  keeper = new Keeper({
    complaint: async () => {
      const silence = this.silences.shift();
      if (silence !== undefined) throw silence;
      return await Promise.resolve(this.broken ? "broken" : undefined);
    },
    recover: async (signal) => {
      this.recoveries++;
      this.most = Math.max(this.most, ++this.atOnce);
      try {
        await new Promise((resolve) => setTimeout(resolve, 20));
        signal.throwIfAborted();
        const failed = this.failures.shift();
        if (failed !== undefined) throw failed;
        this.broken = false;
      } finally {
        this.atOnce--;
      }
    },
    log,
    everyMs: 10,
  });
}

test("what is broken is made good, again and again, one recovery at a time", async () => {
  const thing = new Thing();
  await using keeper = thing.keeper;
  keeper.keep();
  keeper.keep();
  await expect.poll(() => thing.broken).toBe(false);
  thing.broken = true;
  await expect.poll(() => thing.broken).toBe(false);
  expect({ recoveries: thing.recoveries, most: thing.most }).toEqual({ recoveries: 2, most: 1 });
});

test("a recovery that fails is tried again", async () => {
  const thing = new Thing();
  thing.failures = [new Error("first"), new Error("second")];
  await using keeper = thing.keeper;
  keeper.keep();
  await expect.poll(() => thing.broken).toBe(false);
  expect(thing.recoveries).toBe(3);
});

test("a look that fails is tried again, and what is broken is made good then", async () => {
  const thing = new Thing();
  thing.silences = [new Error("no answer")];
  await using keeper = thing.keeper;
  keeper.keep();
  await expect.poll(() => thing.broken).toBe(false);
  expect(thing.recoveries).toBe(1);
});

test("a VM whose Gitspace has moved on recovers nothing any more", async () => {
  const thing = new Thing();
  thing.failures = [new FailureError(failure("superseded", "a later VM has it"))];
  await using keeper = thing.keeper;
  keeper.keep();
  await expect.poll(() => thing.recoveries).toBe(1);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect({ recoveries: thing.recoveries, broken: thing.broken }).toEqual({ recoveries: 1, broken: true });
});

test("letting go calls off a recovery, and it is over then; it can be kept again", async () => {
  const thing = new Thing();
  await using keeper = thing.keeper;
  keeper.keep();
  await expect.poll(() => thing.atOnce).toBe(1);
  await keeper.letGo();
  expect({ atOnce: thing.atOnce, broken: thing.broken }).toEqual({ atOnce: 0, broken: true });
  keeper.keep();
  await expect.poll(() => thing.broken).toBe(false);
});
