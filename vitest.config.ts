import { defineConfig } from "vitest/config";

/** `*.engine.test.ts` run real containers for a minute or two each: a suite of their own, `GITSPACES_TESTS=engine`. */
const onEngine = "**/*.engine.test.ts";
const isEngine = process.env["GITSPACES_TESTS"] === "engine";

export default defineConfig({
  test: {
    include: [isEngine ? onEngine : "**/*.test.ts"],
    exclude: ["**/node_modules/**", "test/e2e/**", "test/faults/**", ...(isEngine ? [] : [onEngine])],
    reporters: ["default", new URL("test/closing-line.ts", import.meta.url).pathname],
    testTimeout: 15_000,
    hookTimeout: 30_000,
  },
});
