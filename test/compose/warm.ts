// Waiting, as a test, for what `bin/up` waits for too: a VM that stands ready and holds what its pool names.
import { setTimeout as sleep } from "node:timers/promises";
import type { InstallationHealth } from "@gitspaces/contracts";
import type { Api } from "../e2e/api.ts";

const WARM_MS = 180_000;
const LOOK_MS = 2_000;

/** Resolves once some pool has a warm VM. @throws with what the pools say when none has in time. */
export async function untilWarm(api: Api): Promise<void> {
  for (const until = performance.now() + WARM_MS; ; await sleep(LOOK_MS)) {
    const { delegates } = await api.call<InstallationHealth>("GET", "installation/health");
    const pools = delegates.flatMap((delegate) => delegate.pools ?? []);
    if (pools.some(({ warm }) => warm > 0)) return;
    if (performance.now() > until) throw new Error(`No VM stands ready: ${JSON.stringify(delegates)}`);
  }
}
