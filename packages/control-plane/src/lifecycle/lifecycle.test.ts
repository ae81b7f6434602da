// The whole table of the lifecycle: what every trigger does in every state, and what every phase's end leads to.
import { failure } from "@gitspaces/contracts";
import { expect, test } from "vitest";
import { decide } from "./lifecycle.ts";
import {
  instanceStates,
  type InstanceState,
  type Phase,
  type Situation,
  shownState,
  type Trigger,
} from "./situation.ts";

const NOW = 1_000_000;
const states = [null, ...instanceStates];

const inProgress: Partial<Record<InstanceState, Pick<Situation, "action" | "phase">>> = {
  starting: { action: "start", phase: "provision" },
  stopping: { action: "stop", phase: "agent_stop" },
  cleaning: { action: "cleanup", phase: "vm_stop" },
  resetting: { action: "reset", phase: "vm_stop" },
};

function situation(state: InstanceState | null, more: Partial<Situation> = {}): Situation {
  return {
    state,
    generation: state === null ? 0 : 4,
    action: state === null ? null : "start",
    phase: null,
    hasVm: state === "running" || state === "stopping" || state === "unknown",
    attempts: 0,
    marks: { deletion: false, reset: false, infraReset: false },
    purgeAt: null,
    ...(state === null ? {} : inProgress[state]),
    ...more,
  };
}

/** In one line: the state that follows, the phase whose task is written, and `new` for a new instance. */
function outcome(now: Situation, trigger: Trigger): string {
  const decision = decide(now, trigger, NOW);
  if (decision.outcome === "refused") return `refused ${decision.failure.code}`;
  if (decision.outcome === "unchanged") return "-";
  const { change } = decision;
  const parts = [
    change.state,
    change.phase,
    change.instance === "same" ? null : change.instance,
    change.gone ? "gone" : null,
  ];
  return parts.filter((part) => part !== null).join(" ");
}

const busy = "refused conflict";
type Row = Record<"start" | "stop" | "auto_stop" | "reset" | "delete" | "cancel" | "cleanup", string>;

function asked(on: keyof Row | "undelete", graceMs = 0): Trigger {
  return on === "delete" ? { on, graceMs } : { on };
}

const actions: [InstanceState | null, Row][] = [
  [
    null,
    {
      start: "starting provision new",
      stop: "-",
      auto_stop: "-",
      reset: busy,
      delete: "deleted gone",
      cancel: busy,
      cleanup: "-",
    },
  ],
  [
    "uninitialized",
    {
      start: "starting provision",
      stop: "-",
      auto_stop: "-",
      reset: "resetting vm_stop",
      delete: "cleaning destroy",
      cancel: busy,
      cleanup: "-",
    },
  ],
  [
    "starting",
    {
      start: busy,
      stop: busy,
      auto_stop: busy,
      reset: busy,
      delete: "cleaning destroy",
      cancel: "stopping vm_stop",
      cleanup: busy,
    },
  ],
  [
    "running",
    {
      start: "-",
      stop: "stopping agent_stop",
      auto_stop: "stopping agent_stop",
      reset: "resetting agent_stop",
      delete: "stopping remove",
      cancel: busy,
      cleanup: "cleaning vm_stop",
    },
  ],
  [
    "stopping",
    { start: busy, stop: busy, auto_stop: busy, reset: busy, delete: "cleaning destroy", cancel: busy, cleanup: busy },
  ],
  [
    "stopped",
    {
      start: "starting provision",
      stop: "-",
      auto_stop: "-",
      reset: "resetting vm_stop",
      delete: "cleaning destroy",
      cancel: busy,
      cleanup: "cleaning vm_stop",
    },
  ],
  ["resetting", { start: busy, stop: busy, auto_stop: busy, reset: busy, delete: busy, cancel: busy, cleanup: busy }],
  ["cleaning", { start: busy, stop: busy, auto_stop: busy, reset: busy, delete: busy, cancel: busy, cleanup: busy }],
  [
    "cleaned",
    {
      start: "starting provision new",
      stop: "-",
      auto_stop: "-",
      reset: "resetting vm_stop",
      delete: "cleaning destroy",
      cancel: busy,
      cleanup: "-",
    },
  ],
  [
    "pending_cleanup",
    {
      start: "starting provision new",
      stop: "-",
      auto_stop: "-",
      reset: "resetting vm_stop",
      delete: "cleaning destroy",
      cancel: busy,
      cleanup: "cleaning vm_stop",
    },
  ],
  [
    "deleted",
    {
      start: "starting provision new",
      stop: "-",
      auto_stop: "-",
      reset: "resetting vm_stop",
      delete: "cleaning destroy",
      cancel: busy,
      cleanup: "-",
    },
  ],
  [
    "error",
    {
      start: "starting provision new",
      stop: busy,
      auto_stop: "-",
      reset: "resetting vm_stop",
      delete: "cleaning destroy",
      cancel: busy,
      cleanup: "cleaning vm_stop",
    },
  ],
  [
    "unknown",
    {
      start: "starting release",
      stop: "stopping agent_stop",
      auto_stop: "-",
      reset: "resetting agent_stop",
      delete: "cleaning destroy",
      cancel: busy,
      cleanup: "cleaning vm_stop",
    },
  ],
];

const cases = actions.flatMap(([state, row]) =>
  (Object.entries(row) as [keyof Row, string][]).map(([on, expected]) => [state, on, expected] as const),
);

test("the table has a row for every state", () => {
  expect(new Set(actions.map(([state]) => state))).toEqual(new Set(states));
  expect(actions).toHaveLength(states.length);
});

test.each(cases)("%s, %s -> %s", (state, on, expected) => {
  expect(outcome(situation(state), asked(on))).toBe(expected);
});

test.each(states)("%s: reports count only while running or unknown", (state) => {
  const reports = (["running", "error", "stopped", "unknown"] as const).map((seen) =>
    outcome(situation(state, state === "stopping" ? { phase: "vm_stop" } : {}), {
      on: "report",
      state: seen,
      message: "seen",
      vm: seen === "error",
    }),
  );
  const expected =
    state === "running"
      ? ["-", "error release", "stopped", "unknown"]
      : state === "unknown"
        ? ["running", "error release", "stopped", "-"]
        : ["-", "-", "-", "-"];
  expect(reports).toEqual(expected);
});

test.each(states)("%s: a result that belongs to no phase, and a repeat of nothing, change nothing", (state) => {
  const idle = situation(state, { phase: null, hasVm: false });
  const failed = { on: "failed", failure: failure("internal", "no"), acquired: true, connected: true } as const;
  expect([outcome(idle, { on: "ok" }), outcome(idle, failed), outcome(idle, { on: "retry" })]).toEqual(["-", "-", "-"]);
});

type Step = [InstanceState, Situation["action"], Phase, string, string];
const steps: Step[] = [
  ["starting", "start", "release", "starting provision", "starting provision"],
  ["starting", "start", "provision", "starting start", "error release"],
  ["starting", "start", "start", "running", "error release"],
  ["stopping", "stop", "agent_stop", "stopping vm_stop", "error"],
  ["stopping", "stop", "vm_stop", "stopped", "error"],
  ["stopping", "cancel", "vm_stop", "stopped", "error"],
  ["stopping", "delete", "remove", "cleaning destroy", "cleaning destroy"],
  ["cleaning", "delete", "destroy", "deleted gone", "cleaning"],
  ["resetting", "reset", "agent_stop", "resetting release", "resetting release"],
  ["resetting", "reset", "release", "starting provision", "error"],
  ["starting", "reset", "provision", "starting start", "error release"],
  ["starting", "reset", "start", "running", "error release"],
  ["resetting", "reset", "vm_stop", "stopped", "error"],
  ["stopping", "delete", "agent_stop", "stopping vm_stop", "stopping vm_stop"],
  ["cleaning", "delete", "vm_stop", "deleted", "cleaning"],
  ["deleted", "delete", "destroy", "deleted gone", "deleted"],
  ["stopping", "undelete", "vm_stop", "stopped", "error"],
  ["cleaning", "cleanup", "vm_stop", "cleaned", "error"],
  ["error", "start", "release", "error", "error"],
  ["error", "stop", "release", "stopped", "error"],
];

test.each(steps)("%s (%s), %s: ok -> %s, failed -> %s", (state, action, phase, ok, failed) => {
  const now = situation(state, { action, phase, hasVm: true });
  expect(outcome(now, { on: "ok" })).toBe(ok);
  expect(outcome(now, { on: "failed", failure: failure("internal", "no"), acquired: true, connected: false })).toBe(
    failed,
  );
});

function change(now: Situation, trigger: Trigger) {
  const decision = decide(now, trigger, NOW);
  if (decision.outcome !== "changed") throw new Error(`nothing changed: ${decision.outcome}`);
  return decision.change;
}

const failedWith = (code: Parameters<typeof failure>[0], acquired = true): Trigger => ({
  on: "failed",
  failure: failure(code, "no"),
  acquired,
  connected: false,
});

test("every accepted action raises the generation by one, and its tasks share it", () => {
  const start = change(situation("stopped"), { on: "start" });
  expect([start.generation, start.taskGeneration]).toEqual([5, 5]);
  const next = change(situation("starting"), { on: "ok" });
  expect([next.generation, next.taskGeneration]).toEqual([4, 4]);
});

test("a VM that was left is released under the generation that left it, before a new one is made", () => {
  const start = change(situation("error", { hasVm: true }), { on: "start" });
  expect(start).toMatchObject({ phase: "release", task: "write", taskGeneration: 4, generation: 5, instance: "new" });
  const waiting = change(situation("error", { hasVm: true, phase: "release" }), { on: "start" });
  expect(waiting).toMatchObject({ phase: "release", task: "keep", generation: 5 });
});

test("a provision nobody took leaves no VM to release", () => {
  expect(change(situation("starting"), failedWith("timeout", false))).toMatchObject({
    state: "error",
    phase: null,
    hasVm: false,
  });
});

test("an agent that is away has nothing to flush, so the stop goes on", () => {
  for (const code of ["vm_unreachable", "timeout"] as const) {
    expect(change(situation("stopping"), failedWith(code))).toMatchObject({ state: "stopping", phase: "vm_stop" });
  }
});

test("a failed delete is repeated, ever more slowly, and never slower than every ten minutes", () => {
  const deleting = {
    action: "delete",
    phase: "destroy",
    marks: { deletion: true, reset: false, infraReset: false },
  } as const;
  const waits = [0, 1, 2, 20].map((attempts) => {
    const failed = change(situation("cleaning", { ...deleting, attempts }), failedWith("no_capacity"));
    return [(failed.retryAt ?? 0) - NOW, failed.attempts];
  });
  expect(waits).toEqual([
    [5_000, 1],
    [10_000, 2],
    [20_000, 3],
    [600_000, 21],
  ]);
  const again = change(situation("cleaning", { ...deleting, phase: null, attempts: 3 }), { on: "retry" });
  expect(again).toMatchObject({ phase: "destroy", task: "write", attempts: 3, generation: 4 });
});

test("a VM that could not be released is tried again", () => {
  expect(change(situation("error", { phase: "release", hasVm: true }), failedWith("timeout")).retryAt).toBe(
    NOW + 5_000,
  );
  expect(change(situation("error", { hasVm: true }), { on: "retry" })).toMatchObject({
    phase: "release",
    task: "write",
  });
});

test("after a stop that failed, a second one does not ask the agent again", () => {
  expect(change(situation("error", { action: "stop", hasVm: true }), { on: "stop" })).toMatchObject({
    phase: "vm_stop",
  });
});

test("a start with an infra reset due retires the instance, also a running one", () => {
  const marks = { deletion: false, reset: false, infraReset: true };
  expect(outcome(situation("running", { marks }), { on: "start" })).toBe("starting release retire");
  expect(outcome(situation("stopped", { marks }), { on: "start" })).toBe("starting provision retire");
  expect(change(situation("starting", { phase: "start", marks }), { on: "ok" }).marks.infraReset).toBe(false);
});

test("I8: a start whose VM is seen to be gone tells just that as its reason", () => {
  const seen = { on: "report", state: "stopped", message: "The VM is gone", vm: false } as const;
  const { failure: reason } = change(situation("starting", { phase: "start" }), seen);
  expect(reason).toMatchObject({ code: "vm_unreachable", message: "The VM is gone" });
});

test("only a reset says that a reset is complete, and it says so once", () => {
  const kinds = (from: Situation) => change(from, { on: "ok" }).events.map((event) => event.kind);
  const destroyed = kinds(situation("cleaning", { action: "delete", phase: "destroy" }));
  expect(destroyed).toContain("gitspace_action_delete_completed");
  expect(destroyed).not.toContain("gitspace_action_reset_completed");
  expect(kinds(situation("resetting"))).toContain("gitspace_action_reset_completed");
  expect(kinds(situation("resetting", { phase: "release" }))).not.toContain("gitspace_action_reset_completed");
  expect(kinds(situation("starting", { action: "reset", phase: "start" }))).toEqual([
    "gitspace_action_reset_completed",
  ]);
  expect(kinds(situation("starting", { phase: "start" }))).toEqual(["gitspace_action_start_completed"]);
});

test("a reset of a running Gitspace releases the VM under the generation that has it, and starts under its own", () => {
  const accepted = change(situation("running"), { on: "reset" });
  expect(accepted).toMatchObject({ phase: "agent_stop", generation: 5, taskGeneration: 5 });
  const resetting = situation("resetting", { generation: 5, phase: "agent_stop", hasVm: true });
  expect(change(resetting, { on: "ok" })).toMatchObject({ phase: "release", generation: 5, taskGeneration: 4 });
  expect(change({ ...resetting, phase: "release" }, { on: "ok" })).toMatchObject({
    state: "starting",
    phase: "provision",
    taskGeneration: 5,
    hasVm: false,
  });
});

const GRACE_MS = 1_000;
const deleted = (more: Partial<Situation> = {}) =>
  situation("deleted", {
    action: "delete",
    marks: { deletion: true, reset: false, infraReset: false },
    purgeAt: NOW + GRACE_MS,
    ...more,
  });

test("within a grace no delete touches the home disk, whatever state it comes in", () => {
  const phases = states.map((state) => outcome(situation(state), asked("delete", GRACE_MS)));
  expect(new Set(phases)).toEqual(
    new Set(["deleted gone", "cleaning vm_stop", "stopping agent_stop", "refused conflict"]),
  );
  const released = change({ ...deleted(), state: "cleaning", phase: "vm_stop" }, { on: "ok" });
  expect(released).toMatchObject({ state: "deleted", retryAt: NOW + GRACE_MS, gone: false, finished: "ok" });
  expect(outcome(deleted(), { on: "retry" })).toBe("-");
  expect(outcome(deleted({ purgeAt: NOW }), { on: "retry" })).toBe("deleted destroy");
});

test("a delete whose VM could not be released tries just that again, and the home disk goes when the grace is over", () => {
  const left = deleted({ state: "cleaning", hasVm: true });
  expect(outcome(left, { on: "retry" })).toBe("cleaning vm_stop");
  expect(outcome({ ...left, purgeAt: NOW }, { on: "retry" })).toBe("cleaning destroy");
});

test("an undelete makes it stopped again, at once or when its VM is gone, and never after the grace", () => {
  expect(change(deleted(), { on: "undelete" })).toMatchObject({
    state: "stopped",
    generation: 5,
    task: "none",
    retryAt: null,
    purgeAt: null,
    marks: { deletion: false },
  });
  expect(outcome(deleted({ state: "stopping", phase: "agent_stop" }), { on: "undelete" })).toBe("stopping vm_stop");
  expect(outcome(deleted({ state: "cleaning" }), { on: "undelete" })).toBe("stopping vm_stop");
  expect(outcome(deleted({ purgeAt: NOW }), { on: "undelete" })).toBe("refused expired");
  for (const begun of [{ phase: "destroy" }, { attempts: 1 }] as const)
    expect(outcome(deleted(begun), { on: "undelete" })).toBe("refused expired");
  const atOnce = deleted({ state: "cleaning", phase: "destroy", purgeAt: null });
  expect(outcome(atOnce, { on: "undelete" })).toBe("refused expired");
  for (const state of states) expect(outcome(situation(state), { on: "undelete" })).toBe("refused conflict");
});

test.each([
  ["start", "starting", "start", "error release"],
  ["reset", "starting", "start", "error release"],
  ["stop", "stopping", "agent_stop", "stopping vm_stop"],
  ["reset", "resetting", "agent_stop", "resetting release"],
  ["delete", "stopping", "remove", "cleaning destroy"],
] as const)(
  "I8: a %s whose VM is seen to be gone does not wait for the agent (%s, %s)",
  (action, state, phase, expected) => {
    const waiting = situation(state, { action, phase, hasVm: true });
    const report = { on: "report", state: "stopped", message: "The VM is gone" } as const;
    expect(outcome(waiting, { ...report, vm: false })).toBe(expected);
    expect(outcome(waiting, { ...report, vm: true })).toBe("-");
  },
);

test("a Gitspace that is being deleted refuses every other action, also while it stops first", () => {
  const marks = { deletion: true, reset: false, infraReset: false };
  for (const on of ["start", "stop", "reset", "delete", "cancel", "cleanup"] as const) {
    expect(outcome(situation("stopping", { marks, action: "delete", phase: "remove" }), asked(on))).toBe(
      "refused conflict",
    );
  }
});

test("every state has a form that a person sees", () => {
  expect(Object.fromEntries(states.map((state) => [state, shownState(state)]))).toEqual({
    null: "uninitialized",
    uninitialized: "uninitialized",
    starting: "starting",
    running: "running",
    stopping: "stopping",
    stopped: "stopped",
    resetting: "cleaning",
    cleaning: "cleaning",
    cleaned: "uninitialized",
    pending_cleanup: "cleaning",
    deleted: "deleted",
    error: "error",
    unknown: "error",
  });
});
