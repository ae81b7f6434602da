import { defineConfig } from "vitest/config";

// The images are built once for all files, which then run one after the other: each has a whole system of its own.
export default defineConfig({
  test: {
    include: ["**/*.compose.ts"],
    globalSetup: [new URL("global-setup.ts", import.meta.url).pathname],
    reporters: ["default", new URL("../closing-line.ts", import.meta.url).pathname],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 900_000,
  },
});
