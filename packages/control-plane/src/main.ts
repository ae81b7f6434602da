// The control plane as a process: `node packages/control-plane/src/main.ts [--config FILE]`.
import { loadConfig, runDaemon } from "@gitspaces/daemon";
import { Config } from "./config.ts";
import { startControlPlane } from "./control-plane.ts";

await runDaemon("control-plane", async (log) => {
  const config = loadConfig(Config);
  log.level = config.logLevel;
  return await startControlPlane(config, { log });
});
