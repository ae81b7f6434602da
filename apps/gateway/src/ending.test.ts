// An ending tells each who listens once, by function or by object, and whoever comes late sees that it is over.
import { expect, test } from "vitest";
import { type Ending, OneEnding } from "./ending.ts";

test("each listener is told once, with the ending that has the reason", () => {
  const ending = new OneEnding();
  const told: unknown[] = [];
  const note = ({ target }: { target: unknown }): void => void told.push((target as Ending).reason);
  ending.addEventListener("abort", note);
  ending.addEventListener("abort", { handleEvent: note });
  expect(ending.aborted).toBe(false);
  ending.abort("first");
  ending.abort("second");
  expect([told, ending.aborted]).toEqual([["first", "first"], true]);
});

test("whoever left is not told, and who leaves while others are told takes nobody else's turn", () => {
  const ending = new OneEnding();
  const told: string[] = [];
  const left = (): void => void told.push("left");
  const leaving = (): void => {
    told.push("leaving");
    ending.removeEventListener("abort", leaving);
  };
  ending.addEventListener("abort", left);
  ending.addEventListener("abort", leaving);
  ending.addEventListener("abort", () => void told.push("last"));
  ending.removeEventListener("abort", left);
  ending.abort();
  expect(told).toEqual(["leaving", "last"]);
});
