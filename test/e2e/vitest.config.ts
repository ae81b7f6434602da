import { defineConfig } from "vitest/config";
import { provider } from "./provider.ts";

// One system serves all files of a run: they share it one after the other, each with Gitspaces of its own.
export default defineConfig({
  test: {
    include: ["**/*.e2e.ts"],
    exclude: provider.excluded,
    globalSetup: [new URL("global-setup.ts", import.meta.url).pathname],
    reporters: ["default", new URL("../closing-line.ts", import.meta.url).pathname],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 300_000,
  },
});
