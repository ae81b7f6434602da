// While two are busy, the one that asks a hundred times at once does not keep the other waiting.
import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { Turns } from "./turns.ts";

/** Asks `many` times at once; tells in which turn of the event loop each began. */
function ask(turns: Turns, key: string, many: number, began: string[]): Promise<unknown> {
  const asked = Array.from({ length: many }, async () => {
    await turns.next(key, 0);
    began.push(key);
  });
  return Promise.all(asked);
}

test("a flood is spread over turns, a few in each, and who asks meanwhile begins at once", async () => {
  const turns = new Turns();
  const began: string[] = [];
  void turns.next("calm", 0);
  const flood = ask(turns, "flooded", 100, began);
  await turn();
  const before = began.length;
  expect(before).toBeLessThanOrEqual(8);
  await ask(turns, "calm", 1, began);
  expect(began.indexOf("calm")).toBe(before);
  await flood;
  expect(began.filter((key) => key === "flooded")).toHaveLength(100);
});

test("the one who is alone never waits, also not after others have gone", () => {
  const turns = new Turns();
  void turns.next("gone", 0);
  void turns.next("alone", 500);
  const waits = Array.from({ length: 100 }, () => turns.next("alone", 2_000));
  expect(waits.every((wait) => wait === undefined)).toBe(true);
});

test("of one who floods, what came first begins first", async () => {
  const turns = new Turns();
  void turns.next("calm", 0);
  const order: number[] = [];
  const asked = Array.from({ length: 20 }, async (_, each) => {
    await turns.next("flooded", 0);
    order.push(each);
  });
  await Promise.all(asked);
  expect(order).toEqual(order.toSorted((a, b) => a - b));
});
