// A runner as a process of its own, to be killed and paused. Its parent sends it what it needs; it answers when it serves.
import type { PoolSpec } from "@gitspaces/contracts";
import { createLog } from "@gitspaces/daemon";
import { RunnerConfig } from "../config.ts";
import { startRunner } from "../runner.ts";
import { cloudProvider } from "./cloud.ts";

export type Wanted = { name: string; cloud: string; pools: PoolSpec[]; settings: Record<string, unknown> };

process.once("message", (wanted: Wanted) => void serve(wanted));

async function serve({ name, cloud, pools, settings }: Wanted): Promise<void> {
  const stop = new AbortController();
  const runner = await startRunner({
    config: RunnerConfig.parse(settings),
    pools,
    provider: cloudProvider(cloud, name),
    log: createLog(name, process.env["GITSPACES_LOG_LEVEL"] ?? "silent"),
    signal: stop.signal,
  });
  process.once("SIGTERM", () => {
    stop.abort();
    // Its connections end with it, and so does the process.
    void runner[Symbol.asyncDispose]().then(() => process.exit(0));
  });
  process.once("disconnect", () => process.exit(0));
  process.send?.("serving");
}
