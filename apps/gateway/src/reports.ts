// What the control plane hears from a gateway: that it is well, and which Gitspaces were used. Kept on disk while it is away.
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { GatewayReport, GatewayReports } from "@gitspaces/contracts";
import type { Clock, Logger } from "@gitspaces/daemon";
import { writeWhole } from "./access-file.ts";
import { askControlPlane, type ControlPlane, expectSuccess } from "./control-plane.ts";
import type { z } from "zod";
import type { Activity } from "./live-connections.ts";

const HEALTH_MS = 30_000;
/** A gateway that is not well yet says soon that it is. */
const SOON_MS = 1_000;
const ACTIVITY_MS = 60_000;
const ANSWER_MS = 10_000;
const KEPT = 500;

export type Reporting = {
  controlPlane: ControlPlane;
  gateway: string;
  version: string;
  isHealthy: () => boolean;
  takeActivity: () => Activity[];
  /** What was done with tokens and links. */
  takeUses: () => GatewayReport[];
  countRoutes: () => number;
  /** Its SSH host keys as OpenSSH writes them, and the port people reach it at. */
  ssh: () => Pick<Extract<GatewayReport, { kind: "health" }>, "sshHostKeys" | "sshPort">;
  /** What could not be sent waits here. Without one nothing is kept and health is not told, which is another process's part. */
  file: string | undefined;
  clock: Clock;
  log: Logger;
};

/** Reports health every 30 s and activity every minute, until disposed. */
export function startReports(reporting: Reporting): AsyncDisposable {
  const stop = new AbortController();
  const loop = report(reporting, stop.signal).catch((err: unknown) => {
    if (!stop.signal.aborted) reporting.log.error({ err }, "reports are no longer sent");
  });
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await loop;
    },
  };
}

async function report(reporting: Reporting, signal: AbortSignal): Promise<void> {
  const { gateway, version, isHealthy, takeActivity, countRoutes, ssh, file, clock, log } = reporting;
  const keep = async (): Promise<void> => {
    if (file === undefined) return;
    await writeWhole(file, JSON.stringify(waiting)).catch((err: unknown) =>
      log.warn({ err }, "reports could not be kept"),
    );
  };
  let waiting = file === undefined ? [] : await readKept(file);
  for (let toldAt = clock.now(); ; ) {
    const at = clock.now();
    if (at - toldAt >= ACTIVITY_MS) {
      toldAt = at;
      waiting.push(...takeActivity().map((activity) => ({ kind: "activity" as const, ...activity, at })));
    }
    waiting.push(...reporting.takeUses());
    const about = { gateway, version, healthy: isHealthy(), routes: countRoutes(), ...ssh() };
    const health: GatewayReport = { kind: "health", ...about, at };
    const wasKept = waiting.length > 0;
    const told = file === undefined ? waiting : [health, ...waiting];
    try {
      if (told.length > 0) await send(reporting.controlPlane, told, signal);
      waiting = [];
      if (wasKept) await keep();
    } catch (error) {
      waiting = waiting.slice(-KEPT);
      // Also when this process ends: the next one sends what waits.
      if (wasKept) await keep();
      signal.throwIfAborted();
      log.debug({ reason: (error as Error).message }, "reports are kept until the control plane is back");
    }
    await sleep(health.healthy ? HEALTH_MS : SOON_MS, undefined, { signal, ref: false });
  }
}

async function send(controlPlane: ControlPlane, reports: GatewayReport[], signal: AbortSignal): Promise<void> {
  const answer = await askControlPlane(controlPlane, {
    method: "POST",
    path: "api/gateway/v1/reports",
    body: JSON.stringify({ reports } satisfies z.input<typeof GatewayReports>),
    signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
  });
  expectSuccess(answer);
  answer.resume();
}

async function readKept(file: string): Promise<GatewayReport[]> {
  try {
    return GatewayReports.parse({ reports: JSON.parse(await readFile(file, "utf8")) }).reports;
  } catch {
    return [];
  }
}
