// A pace lets a burst pass, then makes the fast wait and sends the far too fast away; others do not notice.
import { array, assert, integer, nat, property } from "fast-check";
import { expect, test } from "vitest";
import { Pace } from "./pace.ts";

test("two seconds' worth comes at once, what follows waits for its turn, and the impatient have none", () => {
  const pace = new Pace(10, 500);
  const waits = Array.from({ length: 30 }, () => pace.next("ada", 0));
  expect(waits.slice(0, 20)).toEqual(Array.from({ length: 20 }, () => 0));
  expect(waits.slice(20)).toEqual([100, 200, 300, 400, 500, undefined, undefined, undefined, undefined, undefined]);
  expect(pace.next("bob", 0)).toBe(0);
  // Those who were sent away have not pushed the turn of the next one further out.
  expect(pace.next("ada", 100)).toBe(500);
});

test("over any time, at whatever moments, no more pass than the burst and the pace allow", () => {
  const gaps = array(nat(300), { minLength: 1, maxLength: 200 });
  assert(
    property(gaps, integer({ min: 1, max: 50 }), (steps, perSecond) => {
      const pace = new Pace(perSecond, 0);
      let now = 0;
      let passed = 0;
      for (const step of steps) {
        now += step;
        if (pace.next("ada", now) === 0) passed++;
      }
      expect(passed).toBeLessThanOrEqual((now / 1_000 + 2) * perSecond + 1e-6);
    }),
  );
});

test("a pace of 0 is none", () => {
  const pace = new Pace(0, 0);
  expect(Array.from({ length: 100 }, () => pace.next("ada", 0)).every((wait) => wait === 0)).toBe(true);
});

test("a crowd that came once is forgotten", () => {
  const pace = new Pace(10, 500);
  for (let each = 0; each < 100_000; each++) pace.next(`address ${each}`, each);
  expect(pace.size).toBeLessThan(15_000);
});
