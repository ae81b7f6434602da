// `gitspaces-runner rotate-ca`: asks the running runner to replace the certificate authority, or tells how far that is.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fail } from "@gitspaces/contracts";
import { readRecord } from "./record.ts";
import { type Progress, PROGRESS, REQUEST } from "./rotating.ts";

/** A runner looks every five seconds. */
const TAKEN_UP_MS = 15_000;
const LOOK_MS = 100;

/**
 * Leaves the request in the CA's folder and waits until a runner has taken it up; the sentence to tell.
 * @throws {FailureError} `conflict` while a rotation is going on, `not_found` when there is no CA, `timeout` when no runner is running.
 */
export async function askForRotation(folder: string, withinMs = TAKEN_UP_MS): Promise<string> {
  if (!existsSync(join(folder, "fingerprint")))
    throw fail(
      "not_found",
      `There is no certificate authority in ${folder}. Name the runner's data folder with --data.`,
    );
  const before = readRecord(folder);
  if (before !== undefined && (before.next !== null || before.retiring !== null))
    throw fail("conflict", `A rotation is going on already.\n${progressOf(folder, Date.now())}`);
  const request = join(folder, REQUEST);
  writeFileSync(request, "", { mode: 0o600 });
  for (const end = performance.now() + withinMs; existsSync(request) && performance.now() < end; ) await sleep(LOOK_MS);
  if (existsSync(request))
    throw fail(
      "timeout",
      "No runner has taken the request up yet. It stays, and is taken up when a runner starts on this folder.",
    );
  return `The rotation has begun.\n${progressOf(folder, Date.now())}`;
}

/** How far a rotation is, in sentences. */
export function progressOf(folder: string, now: number): string {
  const file = join(folder, PROGRESS);
  if (!existsSync(file)) return "No rotation has been asked for since the runner started.";
  const progress = JSON.parse(readFileSync(file, "utf8")) as Progress;
  const { phase, present, other, until, members, waitedFor, isWhole } = progress;
  if (phase === "none") return `No rotation is going on. The CA that issues is ${present}.`;
  const lines = [
    phase === "announced"
      ? `The next CA ${other} is trusted beside ${present}, which still issues.`
      : `The CA ${present} issues; the last one, ${other}, is still trusted.`,
    `Of ${members} processes ${waitedFor.length === 0 ? "nobody" : waitedFor.join(", ")} is waited for.`,
  ];
  if (!isWhole)
    lines.push("Others may have certificates of a time when nobody was written down: the deadline is waited for.");
  if (until !== null) lines.push(`The next step is taken by ${new Date(until).toISOString()} at the latest.`);
  if (now - progress.at > 60_000) lines.push("No runner has looked for a minute: is it running?");
  return lines.join("\n");
}
