// Why a Gitspace is still running: who used it last, by what, and when it stops by itself.
import type { GitspaceActivity } from "@gitspaces/contracts";
import { bytes } from "../bytes.ts";
import { columns } from "../columns.ts";
import { ago, moment } from "../moment.ts";
import type { CliContext } from "../program.ts";
import { findGitspace } from "../reference.ts";
import { signedIn } from "./session.ts";

/** Prints what moved bytes within the last 24 hours, the latest use first. */
export async function activity(context: CliContext, reference: string): Promise<void> {
  const { terminal } = context;
  const api = signedIn(context);
  const { identifier: id } = await findGitspace(api, reference);
  const shown = await api.activity(id);
  if (terminal.json) return terminal.out(JSON.stringify(shown));
  const now = Date.now();
  terminal.out(ending(shown));
  if (shown.entries.length === 0) return terminal.out("Nothing moved within the last 24 hours.");
  const rows = shown.entries.map((entry) => [
    entry.source,
    String(entry.port),
    bytes(entry.bytes),
    entry.last_active === null ? "-" : ago(entry.last_active, now),
    ago(entry.last_moved, now),
  ]);
  const head = ["SOURCE", "PORT", "24 HOURS", "LAST USED", "LAST BYTE"];
  terminal.out(columns([head, ...rows], (cell, row) => (row === 0 ? terminal.paint("dim", cell) : cell)));
}

function ending({ auto_stop_minutes: minutes, stops_at: stopsAt }: GitspaceActivity): string {
  if (minutes === null) return "It runs until somebody stops it.";
  const rule = `It stops after ${minutes} idle minutes`;
  return stopsAt === null ? `${rule}.` : `${rule}: at ${moment(stopsAt)}, unless somebody uses it before.`;
}

/** Sets after how many idle minutes it is stopped; `never` takes that back. */
export async function autoStop(context: CliContext, reference: string, minutes: number | null): Promise<void> {
  const { terminal } = context;
  const api = signedIn(context);
  const { identifier: id } = await findGitspace(api, reference);
  const changed = await api.setAutoStop(id, minutes);
  if (terminal.json) return terminal.out(JSON.stringify(changed));
  const set = changed.auto_stop_minutes;
  terminal.out(set === null ? `${id} runs until somebody stops it.` : `${id} stops after ${set} idle minutes.`);
}
