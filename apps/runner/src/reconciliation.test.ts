import { assert, asyncProperty } from "fast-check";
import { expect, test } from "vitest";
import { anyHistory, lived } from "./testing/history.ts";

const SCHEDULES = Number(process.env["GITSPACES_SCHEDULES"] ?? 10_000);
const seed = Number(process.env["GITSPACES_SEED"] ?? Date.now() % 2 ** 31);

test(`I1 I3 I4: from any start state and through any faults the reconciler converges (seed ${seed})`, {
  timeout: 240_000,
}, async () => {
  await assert(
    asyncProperty(anyHistory, async (history) => {
      const { violations, trace } = await lived(history);
      if (violations.length > 0) throw new Error(`${violations.join("\n")}\n  ${trace.join("\n  ")}`);
    }),
    { seed, numRuns: SCHEDULES },
  );
  expect(SCHEDULES).toBeGreaterThan(0);
});
