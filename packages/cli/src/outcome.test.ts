import type { Gitspace } from "@gitspaces/contracts";
import { expect, test } from "vitest";
import { type Goal, judge } from "./outcome.ts";

const gitspace = (state: string, generation: number): Gitspace =>
  ({ state, generation, instance: null }) as unknown as Gitspace;

test.each<[Goal, string | undefined, number, string]>([
  ["running", "starting", 2, "pending"],
  ["running", "running", 2, "reached"],
  ["running", "running", 1, "pending"],
  ["running", "error", 1, "pending"],
  ["running", "error", 2, "internal"],
  ["running", "stopped", 3, "superseded"],
  ["running", undefined, 2, "not_found"],
  ["stopped", "running", 2, "pending"],
  ["stopped", "stopped", 2, "reached"],
  ["stopped", "running", 3, "superseded"],
  ["deleted", "cleaning", 2, "pending"],
  ["deleted", undefined, 2, "reached"],
  ["deleted", "error", 2, "internal"],
  ["deleted", "deleted", 2, "reached"],
  ["running", "deleted", 3, "not_found"],
])("on the way to %s, %s in generation %i after action 2 is %s", (goal, state, generation, expected) => {
  const outcome = judge(goal, "hello-k3v9x2", state === undefined ? undefined : gitspace(state, generation), 2);
  expect(outcome.settled ? (outcome.failure?.code ?? "reached") : "pending").toBe(expected);
});
