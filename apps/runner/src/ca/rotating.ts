// Replaces the certificate authority step by step: looks at the folder and at the members, and does what `nextStep` says.
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { X509Certificate } from "node:crypto";
import type { Clock, Logger } from "@gitspaces/daemon";
import type { Ca } from "../ca.ts";
import { fingerprintOf } from "./authority.ts";
import type { CaMembers } from "./members.ts";
import { deadline, nextStep, type Situation, waitedFor } from "./step.ts";
import { tell } from "./whole-file.ts";

/** A file that an operator's command leaves in the CA's folder. */
export const REQUEST = "rotate";
/** What is told to that command. */
export const PROGRESS = "progress.json";
/** `unknown`: members who were there before anybody was written down; they are waited for until the deadline. */
export type Progress = {
  phase: "none" | "announced" | "retiring";
  present: string;
  other: string | null;
  until: number | null;
  members: number;
  waitedFor: string[];
  isWhole: boolean;
  at: number;
};
const TOLD = 20;
const SLOWEST_LOOK_MS = 5_000;
const FASTEST_LOOK_MS = 250;

type Rotating = {
  ca: Ca;
  folder: string;
  members: Pick<CaMembers, "list">;
  clock: Clock;
  log: Logger;
  /** The authorities are others now: whoever shows or trusts them does it anew before anything else happens. */
  onChange: () => Promise<void>;
  onProgress?: ((progress: Progress) => void) | undefined;
};

/** Looks and acts until it is disposed. Each step is on the disk before it has an effect, so a runner that dies goes on with it. */
export function startRotating(rotating: Rotating): AsyncDisposable {
  const { ca, log } = rotating;
  const stop = new AbortController();
  const pauseMs = Math.min(SLOWEST_LOOK_MS, Math.max(FASTEST_LOOK_MS, ca.lifeMs / 40));
  const looking = (async () => {
    while (!stop.signal.aborted) {
      await lookOnce(rotating).catch((err: unknown) =>
        log.warn({ err }, "the rotation of the CA waits: a look failed"),
      );
      await sleep(pauseMs, undefined, { signal: stop.signal, ref: false }).catch(() => undefined);
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await looking;
    },
  };
}

async function lookOnce(rotating: Rotating): Promise<void> {
  const { ca, folder, log, onChange } = rotating;
  if (await ca.look()) await onChange();
  const situation = await situationOf(rotating);
  const step = nextStep(situation);
  const request = join(folder, REQUEST);
  if (step === undefined) {
    // Asked for twice is asked for once.
    if (situation.isAskedFor) rmSync(request, { force: true });
    report(rotating, situation);
    return;
  }
  const until = deadline(situation.now, ca.lifeMs, situation.members);
  if (!(await ca.take(step, situation.now, until))) return;
  if (step === "announce") rmSync(request, { force: true });
  await onChange();
  const { present, next, retiring } = fingerprintsOf(ca);
  log.info(
    { step, present, next, retiring, until: step === "drop" ? undefined : new Date(until).toISOString() },
    sentences[step],
  );
  report(rotating, await situationOf(rotating));
}

const sentences = {
  announce: "a next CA is trusted from now on; it issues as soon as everybody has heard of it",
  switch: "the next CA issues; the last one is trusted until everything of it has been replaced",
  drop: "the last CA is trusted no more: the rotation is over",
} as const;

function fingerprintsOf({ record, fingerprint }: Ca): Situation["fingerprints"] {
  const of = (each: { certificate: string } | null) =>
    each === null ? undefined : fingerprintOf(new X509Certificate(each.certificate));
  return { present: fingerprint, next: of(record.next), retiring: of(record.retiring) };
}

async function situationOf({ ca, folder, members, clock }: Rotating): Promise<Situation> {
  const now = clock.now();
  const isAskedFor = existsSync(join(folder, REQUEST));
  const { record, lifeMs } = ca;
  const isGoingOn = isAskedFor || record.next !== null || record.retiring !== null;
  return {
    record,
    fingerprints: fingerprintsOf(ca),
    now,
    lifeMs,
    endsAt: Date.parse(new X509Certificate(ca.certificate).validTo),
    isAskedFor,
    members: isGoingOn ? await members.list(now, lifeMs) : { isWhole: false, present: [] },
  };
}

function report({ folder, onProgress }: Rotating, situation: Situation): void {
  const { record, fingerprints, members, now } = situation;
  const passing = record.next ?? record.retiring;
  const progress: Progress = {
    phase: record.next !== null ? "announced" : record.retiring !== null ? "retiring" : "none",
    present: fingerprints.present,
    other: fingerprints.next ?? fingerprints.retiring ?? null,
    until: passing?.until ?? null,
    members: members.present.length,
    waitedFor:
      passing === null
        ? []
        : waitedFor(situation)
            .map(({ name }) => name)
            .slice(0, TOLD),
    isWhole: members.isWhole,
    at: now,
  };
  // Told while somebody may wait for it, and once more when it is over.
  tell(join(folder, PROGRESS), `${JSON.stringify(passing === null ? { ...progress, at: 0 } : progress)}\n`);
  onProgress?.(progress);
}
