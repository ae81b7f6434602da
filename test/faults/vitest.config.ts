import { defineConfig } from "vitest/config";

// Each file starts what it needs; one after the other, since they measure recovery against time.
export default defineConfig({
  test: {
    include: ["**/*.faults.ts"],
    reporters: ["default", new URL("../closing-line.ts", import.meta.url).pathname],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
