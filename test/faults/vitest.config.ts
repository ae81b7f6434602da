import { defineConfig } from "vitest/config";

// Each file starts what it needs. One after the other unless the command line says otherwise: the crash table measures time.
export default defineConfig({
  test: {
    include: ["**/*.faults.ts"],
    reporters: ["default", new URL("../closing-line.ts", import.meta.url).pathname],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
