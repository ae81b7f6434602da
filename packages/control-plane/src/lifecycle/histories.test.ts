// Whatever happens in whatever order, a Gitspace is never stuck, never goes back, and a delete always ends.
import { failure } from "@gitspaces/contracts";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { decide } from "./lifecycle.ts";
import { isBusy, type Situation, type Trigger } from "./situation.ts";

type Held = { now: Situation; retryAt: number | null; gone: boolean };

const born: Held = {
  now: {
    state: null,
    generation: 0,
    action: null,
    phase: null,
    hasVm: false,
    attempts: 0,
    marks: { deletion: false, reset: false, infraReset: false },
  },
  retryAt: null,
  gone: false,
};

const action = fc.constantFrom(
  ...(["start", "stop", "auto_stop", "reset", "delete", "cancel", "cleanup", "retry", "ok"] as const).map((on) => ({
    on,
  })),
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
const histories = fc.array(fc.oneof({ weight: 4, arbitrary: action }, failed, report), { maxLength: 60 });

function after(held: Held, trigger: Trigger): Held {
  if (held.gone) return held;
  const decision = decide(held.now, trigger, 0);
  if (decision.outcome !== "changed") return held;
  const { state, generation, action: name, phase, hasVm, attempts, marks, retryAt, gone, task } = decision.change;
  // A phase has its task, and a task its phase; one is kept only when it was out.
  const fits = (task === "none") === (phase === null) && (task !== "keep" || held.now.phase === phase);
  if (!fits) throw new Error(`${trigger.on} in ${held.now.state}: the task is ${task} and the phase ${phase}`);
  return { now: { state, generation, action: name, phase, hasVm, attempts, marks }, retryAt, gone };
}

test("busy means that something is out or due", () => {
  fc.assert(
    fc.property(histories, (triggers) => {
      let held = born;
      for (const trigger of triggers) {
        held = after(held, trigger);
        const { state, phase } = held.now;
        const isDue = held.retryAt !== null;
        expect({ state, isStuck: isBusy(state) && phase === null && !isDue, isTwice: isDue && phase !== null }).toEqual(
          {
            state,
            isStuck: false,
            isTwice: false,
          },
        );
      }
    }),
  );
});

test("the generation grows by one with each accepted action and by nothing else", () => {
  const actions = new Set(["start", "stop", "auto_stop", "reset", "delete", "cancel", "cleanup"]);
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

test("a delete is never undone, and ends once what it needs succeeds", () => {
  fc.assert(
    fc.property(histories, histories, (before, between) => {
      let held = before.reduce(after, born);
      // A busy Gitspace that refuses is let come to its end first.
      for (let step = 0; step < 5 && isBusy(held.now.state) && !held.now.marks.deletion; step += 1)
        held = after(held, { on: "ok" });
      held = after(held, { on: "delete" });
      for (const trigger of between) {
        held = after(held, trigger);
        expect(held.gone || held.now.marks.deletion).toBe(true);
      }
      for (let step = 0; step < 5; step += 1) held = after(after(held, { on: "retry" }), { on: "ok" });
      expect(held.gone).toBe(true);
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
