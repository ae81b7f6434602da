import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["**/*.test.ts"],
    exclude: ["**/node_modules/**", "test/e2e/**", "test/faults/**"],
    reporters: ["default", new URL("test/closing-line.ts", import.meta.url).pathname],
    testTimeout: 15_000,
    hookTimeout: 30_000,
  },
});
