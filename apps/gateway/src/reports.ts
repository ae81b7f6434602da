// What the control plane hears from a gateway: that it is well, and which Gitspaces were used. Kept on disk while it is away.
import { setTimeout as sleep } from "node:timers/promises";
import type { GatewayReport, GatewayReports } from "@gitspaces/contracts";
import type { Clock, Logger } from "@gitspaces/daemon";
import { ActivityLedger } from "./activity-ledger.ts";
import { askControlPlane, type ControlPlane, expectSuccess } from "./control-plane.ts";
import type { z } from "zod";
import type { Activity } from "./live-connections.ts";

const PACE: Pace = { healthMs: 30_000, activityMs: 60_000 };
/** A gateway that is not well yet says soon that it is. */
const SOON_MS = 1_000;
const ANSWER_MS = 10_000;
/** What a process that ends tries to tell itself. */
const LAST_MS = 1_000;

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
  pace?: Pace;
};
/** How often, milliseconds. */
export type Pace = { healthMs: number; activityMs: number };

/** Reports health every 30 s and activity every minute, until disposed; then what is left is sent, or kept. */
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
  const { takeActivity, takeUses, isHealthy, file, clock, log, pace = PACE } = reporting;
  const ledger = new ActivityLedger();
  if (file !== undefined) await ledger.restore(file, log);
  let isKept = !ledger.isEmpty;
  const take = (at: number): void =>
    ledger.add(takeActivity().map((activity) => ({ kind: "activity" as const, ...activity, at })));
  /** On disk is what could not be sent, and nothing once all was. */
  const keep = async (): Promise<void> => {
    if (file === undefined || (ledger.isEmpty && !isKept)) return;
    isKept = !ledger.isEmpty;
    await ledger.keep(file).catch((err: unknown) => log.warn({ err }, "reports could not be kept"));
  };
  try {
    for (let toldAt = clock.now(); ; ) {
      const at = clock.now();
      if (at - toldAt >= pace.activityMs) {
        toldAt = at;
        take(at);
      }
      ledger.add(takeUses());
      try {
        await sendAll(reporting, ledger, signal);
      } catch (error) {
        signal.throwIfAborted();
        log.debug({ reason: (error as Error).message }, "reports are kept until the control plane is back");
      }
      await keep();
      await sleep(isHealthy() ? pace.healthMs : SOON_MS, undefined, { signal, ref: false });
    }
  } finally {
    take(clock.now());
    ledger.add(takeUses());
    if (!ledger.isEmpty) await sendAll(reporting, ledger, AbortSignal.timeout(LAST_MS)).catch(() => undefined);
    await keep();
  }
}

/** Tells health, and every batch of activity after the other. @throws what the first that is not taken throws. */
async function sendAll(reporting: Reporting, ledger: ActivityLedger, signal: AbortSignal): Promise<void> {
  const { gateway, version, isHealthy, countRoutes, ssh, file, clock, controlPlane } = reporting;
  const about = { gateway, version, healthy: isHealthy(), routes: countRoutes(), ...ssh() };
  const health: GatewayReport[] = file === undefined ? [] : [{ kind: "health", ...about, at: clock.now() }];
  let batch = ledger.next();
  if (batch === undefined && health.length > 0) await send(controlPlane, { reports: health }, signal);
  for (; batch !== undefined; batch = ledger.next()) {
    const named = health.length === 0 ? {} : { batch: batch.id };
    await send(controlPlane, { reports: [...health, ...batch.lines], ...named }, signal);
    ledger.taken(batch);
  }
}

async function send(
  controlPlane: ControlPlane,
  reports: z.input<typeof GatewayReports>,
  signal: AbortSignal,
): Promise<void> {
  const answer = await askControlPlane(controlPlane, {
    method: "POST",
    path: "api/gateway/v1/reports",
    body: JSON.stringify(reports),
    signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
  });
  expectSuccess(answer);
  answer.resume();
}
