import { expect, test } from "vitest";
import { createLog } from "./log.ts";
import { peerClock } from "./peer-clock.ts";

const HOUR = 3_600_000;
const log = createLog("test", "fatal");
const clockAt = (at: number) => peerClock({ peer: "Redis", log, own: { now: () => at } });

test("E12: a peer an hour ahead, or behind, gives its own time", () => {
  for (const offMs of [HOUR, -HOUR]) {
    const clock = clockAt(10 * HOUR);
    clock.hear(10 * HOUR + offMs);
    expect([clock.now(), clock.aheadMs()]).toEqual([10 * HOUR + offMs, offMs]);
  }
});

test("E12: what an answer takes on its way is no difference of clocks, and a corrected clock is believed", () => {
  const clock = clockAt(10 * HOUR);
  clock.hear(10 * HOUR + 4_000);
  expect(clock.now()).toBe(10 * HOUR);
  clock.hear(11 * HOUR);
  clock.hear(10 * HOUR - 900);
  expect(clock.now()).toBe(10 * HOUR);
});

test("a Date header is read; what is none changes nothing", () => {
  const clock = clockAt(Date.parse("2026-01-01T00:00:00Z"));
  clock.hear("Thu, 01 Jan 2026 01:00:00 GMT");
  for (const nonsense of [undefined, "soon", Number.NaN]) clock.hear(nonsense);
  expect(clock.aheadMs()).toBe(HOUR);
});
