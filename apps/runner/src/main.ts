// The runner: owns VMs, pools, claims, home disks, and the installation's CA.
import { loadConfig, runDaemon, startAdmin } from "@gitspaces/daemon";
import { register } from "prom-client";
import { RunnerConfig } from "./config.ts";
import { readPoolFile } from "./pool-file.ts";
import { openProvider } from "./provider.ts";
import { startRunner } from "./runner.ts";

await runDaemon("runner", async (log, signal) => {
  const config = loadConfig(RunnerConfig);
  const pools = readPoolFile(config.poolFile, config.provider);
  await using opened = new AsyncDisposableStack();
  const provider = opened.use(await openProvider(config, log));
  const runner = opened.use(await startRunner({ config, pools, provider, log, signal, register }));
  opened.use(await startAdmin({ listen: config.adminListen, log, name: "runner", checks: runner.checks }));
  log.info(
    { enrolment: runner.enrolment, pools: pools.map(({ name, warm, max }) => ({ name, warm, max })) },
    "serving",
  );
  return opened.move();
});
