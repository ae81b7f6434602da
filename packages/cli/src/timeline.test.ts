import { eventKinds, type GitspaceEvent } from "@gitspaces/contracts";
import { expect, test } from "vitest";
import { readKind, startTimeline } from "./timeline.ts";

let id = 0;
const at = (event: string, timestamp: number, message = event): GitspaceEvent => ({
  id: ++id,
  event,
  gitspace_identifier: "hello-k3v9x2",
  instance_identifier: null,
  task_id: null,
  message,
  timestamp,
  fields: null,
});

test.each([
  ["gitspace_action_start", { phase: "gitspace_action_start", mark: "began" }],
  ["gitspace_action_start_completed", { phase: "gitspace_action_start", mark: "done" }],
  ["gitspace_action_start_failed", { phase: "gitspace_action_start", mark: "failed" }],
  ["agent_clone_start", { phase: "agent_clone", mark: "began" }],
  ["agent_clone_failed", { phase: "agent_clone", mark: "failed" }],
  ["infra_stop_start", { phase: "infra_stop", mark: "began" }],
  ["delegate_task_submitted", { phase: "delegate_task_submitted", mark: "fact" }],
  ["note", { phase: "note", mark: "note" }],
])("%s", (kind, expected) => {
  expect(readKind(kind)).toEqual(expected);
});

test("whatever ends belongs to a phase that begins", () => {
  const phases = eventKinds.map(readKind);
  const begun = new Set(phases.filter(({ mark }) => mark === "began").map(({ phase }) => phase));
  const ended = phases.filter(({ mark }) => mark === "done" || mark === "failed");
  expect(ended.filter(({ phase }) => !begun.has(phase))).toEqual([]);
});

test("a phase's time is its own, the elapsed time is the action's, and a new action begins anew", () => {
  const timeline = startTimeline();
  timeline.read(at("gitspace_action_start", 1_000));
  timeline.read(at("agent_clone_start", 1_500));
  expect(timeline.read(at("agent_clone_completed", 3_500))).toMatchObject({
    mark: "done",
    elapsedMs: 2_500,
    tookMs: 2_000,
  });
  expect(timeline.read(at("gitspace_action_stop", 9_000))).toMatchObject({ mark: "began", elapsedMs: 0 });
});

test("a reason is told once; what failed with it says only that it failed", () => {
  const timeline = startTimeline();
  timeline.read(at("gitspace_action_start", 1_000, "Starting the Gitspace"));
  timeline.read(at("agent_clone_start", 1_500, "Cloning it"));
  const told = [
    timeline.read(at("agent_clone_failed", 2_000, "No such branch.")),
    timeline.read(at("gitspace_action_start_failed", 2_100, "No such branch.")),
  ];
  expect(told).toMatchObject([
    { text: "No such branch.", tookMs: 500 },
    { text: "Starting the Gitspace failed", tookMs: 1_100 },
  ]);
  timeline.read(at("gitspace_action_start", 9_000, "Starting the Gitspace"));
  expect(timeline.read(at("gitspace_action_start_failed", 9_500, "No such branch."))?.text).toBe("No such branch.");
});

test("an event read before, and a line of output, give nothing", () => {
  const timeline = startTimeline();
  const event = at("note", 1);
  expect(timeline.read(event)).toBeDefined();
  expect(timeline.read(event)).toBeUndefined();
  expect(timeline.read(at("log", 2))).toBeUndefined();
});

test("a message cannot move the cursor or add lines", () => {
  expect(startTimeline().read(at("note", 1, "a\u001b[2Jb\nc\u0007"))?.text).toBe("ab c");
});
