// What bodies leave behind is let go of in time, in a process that was started like any other.
import { expect, test } from "vitest";
import { bodyMemory } from "./body-memory.ts";

const BLOCK = 1024 * 1024;

test("buffers that nobody holds any more are gone after some megabytes, and `gc` is given to nobody", () => {
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  for (let count = 0; count < 64; count++) {
    bodyMemory.moved(Buffer.allocUnsafeSlow(BLOCK).length);
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  }
  expect(most).toBeLessThan(32 * BLOCK);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * BLOCK);
  expect(globalThis.gc).toBeUndefined();
});
