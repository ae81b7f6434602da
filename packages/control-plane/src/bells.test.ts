// Waking without a timer, and leaving nothing behind.
import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { Bell } from "./bells.ts";

const never = 60_000;

test("whoever waits is woken by the ring, and a ring before the wait is not missed", async () => {
  const bell = new Bell();
  const { signal } = new AbortController();
  const seen = bell.count;
  const waiting = bell.next(seen, never, signal);
  bell.ring();
  await waiting;
  await bell.next(seen, never, signal);
  expect(bell.count).toBe(seen + 1);
});

test("an abort and the end of the time wake too", async () => {
  const bell = new Bell();
  const gone = new AbortController();
  const waiting = bell.next(bell.count, never, gone.signal);
  gone.abort();
  await waiting;
  const from = performance.now();
  await bell.next(bell.count, 20, new AbortController().signal);
  expect(performance.now() - from).toBeGreaterThan(15);
});

test("a wait without end is as long as timers go, not none at all", async () => {
  const bell = new Bell();
  let isOver = false;
  const gone = new AbortController();
  const waiting = bell.next(bell.count, Number.POSITIVE_INFINITY, gone.signal).then(() => (isOver = true));
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(isOver).toBe(false);
  gone.abort();
  await waiting;
});

test("a thousand waits leave no listener on a signal that lives on", async () => {
  const bell = new Bell();
  const { signal } = new AbortController();
  for (let wait = 0; wait < 1_000; wait += 1) {
    const waiting = bell.next(bell.count, never, signal);
    bell.ring();
    await waiting;
  }
  expect(getEventListeners(signal, "abort")).toEqual([]);
});
