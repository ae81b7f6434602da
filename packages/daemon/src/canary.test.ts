import { setTimeout as sleep } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { startCanary } from "./canary.ts";

test("I14: before the first round trip came back nothing is known to work", async () => {
  await using canary = startCanary({
    what: "a trip",
    trip: async () => await sleep(60_000, undefined, { ref: false }),
  });
  expect(() => canary.check()).toThrow("a trip: the first has not come back yet");
});

test("I14: a failed round trip is told at once, and the next good one ends it", async () => {
  let isBroken = false;
  const trip = () => {
    if (isBroken) throw new Error("the disk is full");
  };
  await using canary = startCanary({ what: "a write", trip, everyMs: 5 });
  await vi.waitFor(() => canary.check());
  isBroken = true;
  await vi.waitFor(() => expect(() => canary.check()).toThrow("a write: the disk is full"));
  isBroken = false;
  await vi.waitFor(() => canary.check());
});

test("I14: a round trip that never ends is given up, and told as that", async () => {
  let isStuck = true;
  const trip = async () => {
    if (isStuck) await sleep(60_000, undefined, { ref: false });
  };
  await using canary = startCanary({ what: "a trip", trip, everyMs: 5, staleMs: 60 });
  await vi.waitFor(() => expect(() => canary.check()).toThrow("a trip: did not come back within 0.06 s"));
  isStuck = false;
  await vi.waitFor(() => canary.check());
});

test("I14: an old round trip says nothing of now", async () => {
  await using canary = startCanary({ what: "a trip", trip: () => undefined, everyMs: 60_000, staleMs: 20 });
  await vi.waitFor(() => expect(() => canary.check()).toThrow(/the last came back \d+ s ago/));
});
