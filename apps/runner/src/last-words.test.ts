import { once } from "node:events";
import { expect, test } from "vitest";
import { lastWords } from "./last-words.ts";

const never = new AbortController().signal;

test("I8: a provider that never tells what a VM said keeps nobody from removing it", async () => {
  const silent = {
    diagnose: async (_id: string, { signal }: { signal: AbortSignal }) => {
      await once(signal, "abort");
      throw signal.reason;
    },
  };
  expect(await lastWords(silent, "default-a", never, 50)).toBe("");
});

test("the end of a long output is what counts", async () => {
  const talkative = { diagnose: async () => `${"x".repeat(5_000)}the end` };
  const words = await lastWords(talkative, "default-a", never);
  expect(words).toMatch(/the end$/);
  expect(words.length).toBe(2_000);
});
