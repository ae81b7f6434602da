// Ends a container for good, whoever else does it at the same time.
import { setTimeout as sleep } from "node:timers/promises";
import type { Engine } from "./engine.ts";

const AGAIN_MS = 50;

/** Kills and removes a container; waits for a removal that somebody else has begun. Succeeds when there is none. */
export async function removeContainer(engine: Engine, name: string, signal: AbortSignal): Promise<void> {
  const query = { force: true, v: true };
  while (!(await engine.tellUnless([404, 409], "DELETE", `/containers/${name}`, { query, signal }))) {
    if (!(await engine.tellUnless([404], "GET", `/containers/${name}/json`, { signal }))) return;
    await sleep(AGAIN_MS, undefined, { signal });
  }
}
