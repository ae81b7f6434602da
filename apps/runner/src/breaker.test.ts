import { expect, test } from "vitest";
import { breaker } from "./breaker.ts";

const clock = { at: 0, now: () => clock.at };

test("each failure in a row doubles the pause, up to a minute; a success ends it", () => {
  const trips = breaker(clock);
  const pauses = Array.from({ length: 8 }, () => {
    trips.failed("no image");
    return trips.pauseMs();
  });
  expect(pauses).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
  expect(trips.trouble()).toBe("8 VMs in a row did not come up: no image");
  trips.succeeded();
  expect(trips.pauseMs()).toBe(0);
  expect(trips.trouble()).toBeUndefined();
});

test("one failure is bad luck, not trouble, and its pause runs out", () => {
  const trips = breaker(clock);
  trips.failed("once");
  expect(trips.trouble()).toBeUndefined();
  clock.at += 1_000;
  expect(trips.pauseMs()).toBe(0);
});
