// What reconnects by itself does not start what was stopped under it.
import { expect, test } from "vitest";
import { Quiet } from "./quiet.ts";

const MINUTE = 60_000;

test("an editor that tries every half minute never starts it, however long; a person who comes later does", () => {
  let now = 0;
  const quiet = new Quiet({ now: () => now });
  quiet.begin("hello-k3v9x2");
  const attempts = Array.from({ length: 240 }, () => {
    now += MINUTE / 2;
    return quiet.mayStart("hello-k3v9x2");
  });
  expect(new Set(attempts)).toEqual(new Set([false]));
  expect(quiet.mayStart("other-a1b2c3")).toBe(true);
  now += 5 * MINUTE;
  expect(quiet.mayStart("hello-k3v9x2")).toBe(true);
});

test("once it runs again the quiet is over", () => {
  const quiet = new Quiet({ now: () => 0 });
  quiet.begin("hello-k3v9x2");
  quiet.end("hello-k3v9x2");
  expect(quiet.mayStart("hello-k3v9x2")).toBe(true);
});
