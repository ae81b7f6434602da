// The pace of asking for work.
import { expect, test } from "vitest";
import { pauseAfter } from "./poll.ts";
import { houseForEachTest } from "./testing/house.ts";

const house = houseForEachTest();

test("a control plane that answers at once is asked every three seconds while there is nothing to do", async () => {
  house().controlPlane.holds = false;
  await house().delegate();
  await new Promise((resolve) => setTimeout(resolve, 3_500));
  expect(house().controlPlane.to("GET", "/task-events")).toHaveLength(2);
});

const round = { outcomes: [], cancelled: 0, elapsedMs: 5, fruitless: 0 } as const;

test.each([
  ["held until its time was over and nothing came: at once", { ...round, elapsedMs: 25_000 }, 0],
  ["answered at once with nothing: the rest of three seconds", round, 2_995],
  ["a task was begun: at once", { ...round, outcomes: ["begun", "left"] as const }, 0],
  ["a task was cancelled: at once", { ...round, cancelled: 1 }, 0],
  [
    "every place is taken: a second, unless one is free before",
    { ...round, outcomes: ["left", "known"] as const },
    1_000,
  ],
  ["somebody else was faster: nearly at once", { ...round, outcomes: ["lost"] as const, fruitless: 1 }, 20],
  ["only known tasks, again and again: ever slower", { ...round, outcomes: ["known"] as const, fruitless: 5 }, 320],
  ["and at the slowest every three seconds", { ...round, outcomes: ["known"] as const, fruitless: 50 }, 3_000],
])("%s", (_, after, pauseMs) => {
  expect(pauseAfter(after)).toBe(pauseMs);
});
