// The steps of a start, as they are shown.
import type { EventKind, ProgressEvent } from "@gitspaces/contracts";
import { expect, test } from "vitest";
import { stepsOf } from "./steps.ts";

let id = 0;
const event = (kind: EventKind, at: number, message: string = kind): ProgressEvent => ({ id: ++id, kind, message, at });
const shown = (events: ProgressEvent[], hasFailed = false) =>
  stepsOf(events, hasFailed).map(({ title, state }) => `${title}: ${state}`);

const begin = [event("gitspace_action_start", 0), event("infra_provisioning_start", 10)];
const machine = [...begin, event("infra_provisioning_completed", 900, "A VM stood ready")];
const cloned = [...machine, event("agent_clone_start", 1_000), event("agent_clone_completed", 1_500, "Cloned")];

test("before anything is told the first step is the one ahead", () => {
  expect(shown([])).toEqual([
    "Getting a machine: ahead",
    "Fetching your code: ahead",
    "Preparing the environment: ahead",
    "Opening the editor: ahead",
  ]);
});

test("a step is done when a later one has begun, and tells what came of it and how long it took", () => {
  const [first, second] = stepsOf(cloned, false);
  expect(first).toEqual({
    title: "Getting a machine",
    state: "done",
    detail: "A VM stood ready",
    since: 0,
    until: 1_000,
  });
  expect(second).toMatchObject({ state: "active", detail: "Cloned", since: 1_000, until: undefined });
});

test("a step that was not needed is left out once that is known", () => {
  expect(shown([...cloned, event("agent_ide_start", 2_000)])).toEqual([
    "Getting a machine: done",
    "Fetching your code: done",
    "Opening the editor: active",
  ]);
});

test("a start that failed shows where it ended", () => {
  expect(shown([...machine, event("agent_clone_start", 1_000), event("agent_clone_failed", 1_200)], true)).toEqual([
    "Getting a machine: done",
    "Fetching your code: failed",
    "Preparing the environment: ahead",
    "Opening the editor: ahead",
  ]);
});

test("what is cleaned up after a failure is not taken for the step that failed", () => {
  const failed = [...begin, event("infra_provisioning_failed", 900, "No machine is free")];
  const cleaned = [...failed, event("infra_stop_start", 950), event("infra_stop_completed", 990, "The VM is gone")];
  expect(stepsOf(cleaned, true)[0]).toMatchObject({ state: "failed", detail: "No machine is free", until: 900 });
});
