// What a waiter does next, for every state and whatever they saw before: nobody undoes a stop that came after them.
import type { AccessDocument, Route } from "@gitspaces/contracts";
import { expect, test } from "vitest";
import type { Routed } from "../routes.ts";
import { nextStep, type Waited } from "./next-step.ts";

function document(state: AccessDocument["state"], generation: number): AccessDocument {
  const about = { gitspaceId: "hello-k3v9x2", name: "hello", owner: "ada", organisation: "engine" };
  return { ...about, version: 1, state, generation, ports: {}, sshKeys: [] };
}
const routed = (generation: number): Routed => ({
  route: { generation } as Route,
  ended: new AbortController().signal,
});
const owner: Waited = { mayStart: true, met: 1 };
const guest: Waited = { mayStart: false, met: 1 };
const asked: Waited = { mayStart: true, met: 1, asked: 2 };

const rows: [string, AccessDocument["state"], number, Waited, string][] = [
  ["it runs", "running", 1, owner, "go"],
  ["it is stopped, and they may start it", "stopped", 1, owner, "wake"],
  ["it was never started", "uninitialized", 0, { mayStart: true, met: 0 }, "wake"],
  ["it is stopped, and they may not start it", "stopped", 1, guest, "stopped"],
  ["somebody else has it started", "starting", 1, guest, "wait"],
  ["it is stopping as they come", "stopping", 1, owner, "wait"],
  ["it is stopping, and they could not start it then", "stopping", 1, guest, "stopped"],
  ["the start failed", "error", 1, owner, "failed"],
  ["their start is not heard of yet", "stopped", 1, asked, "wait"],
  ["their start goes on", "starting", 2, asked, "wait"],
  ["their start failed", "error", 2, asked, "failed"],
  ["their start was cancelled", "stopping", 3, asked, "stopped_meanwhile"],
  ["their start was cancelled, and it is over", "stopped", 3, asked, "stopped_meanwhile"],
  ["the start that they waited for was cancelled", "stopped", 2, owner, "stopped_meanwhile"],
  ["it is deleted", "deleted", 1, owner, "gone"],
];

test.each(rows)("%s (%s, generation %i)", (_what, state, generation, waited, expected) => {
  const step = nextStep(document(state, generation), routed(generation), waited);
  expect(step.step === "give_up" ? step.why : step.step).toBe(expected);
});

test("a route of an earlier generation is waited past", () => {
  expect(nextStep(document("running", 3), routed(2), { ...asked, asked: 3 }).step).toBe("wait");
  expect(nextStep(undefined, undefined, owner)).toEqual({ step: "give_up", why: "gone" });
});
