// The delegate: pulls tasks from the control plane, hands each to the runner or the gateway, keeps answers until acknowledged.
import { loadConfig, runDaemon } from "@gitspaces/daemon";
import { ConfigSchema } from "./config.ts";
import { startDelegate } from "./delegate.ts";

await runDaemon("delegate", (log, signal) => startDelegate(loadConfig(ConfigSchema), log, signal));
