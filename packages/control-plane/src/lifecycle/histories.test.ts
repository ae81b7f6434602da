// Whatever happens in whatever order, a Gitspace is never stuck, never goes back, and a delete always ends.
import { failure } from "@gitspaces/contracts";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { decide } from "./lifecycle.ts";
import { isBusy, type Situation, type Trigger } from "./situation.ts";

/** `at`: the virtual time, which goes on with each repeat that is due. */
type Held = { now: Situation; retryAt: number | null; gone: boolean; at: number };

const born: Held = {
  now: {
    state: null,
    generation: 0,
    action: null,
    phase: null,
    hasVm: false,
    attempts: 0,
    marks: { deletion: false, reset: false, infraReset: false },
    purgeAt: null,
  },
  retryAt: null,
  gone: false,
  at: 0,
};

const GRACE_MS = 1_000;
const action = fc.constantFrom<Trigger>(
  ...(["start", "stop", "auto_stop", "reset", "undelete", "cancel", "cleanup", "retry", "ok"] as const).map((on) => ({
    on,
  })),
  { on: "delete", graceMs: 0 },
  { on: "delete", graceMs: GRACE_MS },
);
const failed = fc.record({
  on: fc.constant("failed" as const),
  failure: fc
    .constantFrom("internal", "timeout", "vm_unreachable", "no_capacity")
    .map((code) => failure(code as "internal", "no")),
  acquired: fc.boolean(),
  connected: fc.boolean(),
});
const report = fc.record({
  on: fc.constant("report" as const),
  state: fc.constantFrom("running" as const, "error" as const, "stopped" as const, "unknown" as const),
  message: fc.constant("seen"),
  vm: fc.boolean(),
});
const histories = fc.array(
  fc.oneof<fc.MaybeWeightedArbitrary<Trigger>[]>({ weight: 4, arbitrary: action }, failed, report),
  {
    maxLength: 60,
  },
);

function after(held: Held, trigger: Trigger): Held {
  if (held.gone) return held;
  const at = trigger.on === "retry" ? Math.max(held.at, held.retryAt ?? 0) : held.at;
  const decision = decide(held.now, trigger, at);
  if (decision.outcome !== "changed") return held;
  const {
    state,
    generation,
    action: name,
    phase,
    hasVm,
    attempts,
    marks,
    purgeAt,
    retryAt,
    gone,
    task,
  } = decision.change;
  // A phase has its task, and a task its phase; one is kept only when it was out.
  const fits = (task === "none") === (phase === null) && (task !== "keep" || held.now.phase === phase);
  if (!fits) throw new Error(`${trigger.on} in ${held.now.state}: the task is ${task} and the phase ${phase}`);
  return { now: { state, generation, action: name, phase, hasVm, attempts, marks, purgeAt }, retryAt, gone, at };
}

test("busy means that something is out or due", () => {
  fc.assert(
    fc.property(histories, (triggers) => {
      let held = born;
      for (const trigger of triggers) {
        held = after(held, trigger);
        const { state, phase, marks } = held.now;
        const isDue = held.retryAt !== null;
        const hasToGoOn = (isBusy(state) || marks.deletion) && !held.gone;
        expect({ state, isStuck: hasToGoOn && phase === null && !isDue, isTwice: isDue && phase !== null }).toEqual({
          state,
          isStuck: false,
          isTwice: false,
        });
      }
    }),
  );
});

test("the generation grows by one with each accepted action and by nothing else", () => {
  const actions = new Set(["start", "stop", "auto_stop", "reset", "delete", "undelete", "cancel", "cleanup"]);
  fc.assert(
    fc.property(histories, (triggers) => {
      let held = born;
      for (const trigger of triggers) {
        const next = after(held, trigger);
        const grown = next.now.generation - held.now.generation;
        expect(grown).toBe(next !== held && actions.has(trigger.on) ? 1 : 0);
        held = next;
      }
    }),
  );
});

test("a delete is undone by an undelete only, and ends once what it needs succeeds", () => {
  fc.assert(
    fc.property(histories, histories, fc.constantFrom(0, GRACE_MS), (before, between, graceMs) => {
      let held = before.reduce(after, born);
      // A busy Gitspace that refuses is let come to its end first.
      for (let step = 0; step < 5 && isBusy(held.now.state) && !held.now.marks.deletion; step += 1)
        held = after(held, { on: "ok" });
      held = after(held, { on: "delete", graceMs });
      for (const trigger of between.filter(({ on }) => on !== "undelete")) {
        held = after(held, trigger);
        expect(held.gone || held.now.marks.deletion).toBe(true);
      }
      for (let step = 0; step < 6; step += 1) held = after(after(held, { on: "retry" }), { on: "ok" });
      expect(held.gone).toBe(true);
    }),
  );
});

test("a home disk goes only with a delete, and within a grace only when that is over", () => {
  fc.assert(
    fc.property(histories, (triggers) => {
      let held = born;
      for (const trigger of triggers) {
        held = after(held, trigger);
        const { phase, marks, purgeAt } = held.now;
        const mayGo = marks.deletion && (purgeAt === null || held.at >= purgeAt);
        expect({ phase, mayGo: mayGo || (phase !== "destroy" && phase !== "remove") }).toEqual({ phase, mayGo: true });
      }
    }),
  );
});

test("a Gitspace that is deleted can be taken back within its grace, and is stopped when its VM is gone", () => {
  fc.assert(
    fc.property(histories, (triggers) => {
      let held = triggers.reduce(after, born);
      const { marks, purgeAt } = held.now;
      fc.pre(!held.gone && marks.deletion && purgeAt !== null && held.at < purgeAt);
      held = after(held, { on: "undelete" });
      expect(held.now.marks.deletion).toBe(false);
      if (held.now.phase !== null) held = after(held, { on: "ok" });
      expect(held.now).toMatchObject({ state: "stopped", phase: null, hasVm: false });
    }),
  );
});

test("no VM is forgotten: where one may exist, a start or a delete deals with it first", () => {
  fc.assert(
    fc.property(histories, (triggers) => {
      const { now, gone } = triggers.reduce(after, born);
      const mayHold = !gone && now.hasVm && !isBusy(now.state) && now.state !== "running";
      const started = decide(now, { on: "start" }, 0);
      const forgets = started.outcome === "changed" && started.change.phase !== "release";
      expect(mayHold && forgets).toBe(false);
    }),
  );
});
