// Which containers are the Gitspace's, and their polite end. In a VM of its own every container of the engine is.
import { setTimeout as sleep } from "node:timers/promises";
import { failpoint, type Logger } from "@gitspaces/daemon";
import { z } from "zod";
import type { Engine } from "./engine.ts";

const GRACE_S = 10;
const LIST_DEADLINE_MS = 20_000;
const KILL_DEADLINE_MS = 20_000;

const Inspected = z.array(
  z.object({
    Id: z.string(),
    Config: z.object({ Labels: z.record(z.string(), z.string()).nullish() }),
    Mounts: z.array(z.object({ Name: z.string().nullish(), Source: z.string().nullish() })),
  }),
);
export type Inspected = z.infer<typeof Inspected>[number];

/** Whether a container of a shared engine was made for what lies in `home`: it mounts something of it, or a label tells so. */
export function isFor(home: string, { Config, Mounts }: Inspected): boolean {
  const places = [...Mounts.map(({ Source }) => Source ?? ""), ...Object.values(Config.Labels ?? {})];
  return places.some((place) => place.startsWith(`${home}/`));
}

/** The running containers of the Gitspace, by id. @throws {FailureError} `internal` when the engine does not tell. */
export async function runningContainers(engine: Engine, home: string, signal: AbortSignal): Promise<string[]> {
  const ids = (await engine.ask(["ps", "--quiet", "--no-trunc"], signal)).split("\n").filter((id) => id !== "");
  if (engine.own || ids.length === 0) return ids;
  // One that goes between the two questions fails the second one for all; it is asked for each by itself.
  const found = await Promise.all(
    ids.map(async (id) => {
      const text = await engine.ask(["inspect", "--type", "container", id], signal).catch(() => "[]");
      return Inspected.parse(JSON.parse(text)).filter((each) => isFor(home, each));
    }),
  );
  return found.flat().map(({ Id }) => Id);
}

/** Ends every container of the Gitspace: asked first, killed after ten seconds. Nothing of them runs when this resolves. */
export async function stopContainers(engine: Engine, home: string, log: Logger): Promise<void> {
  const ids = await runningContainers(engine, home, AbortSignal.timeout(LIST_DEADLINE_MS));
  if (ids.length === 0) return;
  const deadline = AbortSignal.timeout(GRACE_S * 1_000 + KILL_DEADLINE_MS);
  const stopped = await engine.docker(["stop", "--time", String(GRACE_S), ...ids], { signal: deadline }).catch(failed);
  failpoint("agent.afterContainersStopped");
  if (stopped.code === 0) return;
  log.warn({ output: stopped.output.slice(-5) }, "containers did not end when asked; they are killed");
  await killLeft(engine, home);
}

async function killLeft(engine: Engine, home: string): Promise<void> {
  const signal = AbortSignal.timeout(KILL_DEADLINE_MS);
  for (;;) {
    const left = await runningContainers(engine, home, signal);
    if (left.length === 0) return;
    await engine.docker(["kill", ...left], { signal });
    await sleep(200);
  }
}

function failed(error: unknown): { code: null; output: string[] } {
  return { code: null, output: [String(error)] };
}
