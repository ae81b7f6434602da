// Why a Gitspace is still running, in the public API: what moved bytes between people and it, and when it stops by itself.
import { z } from "zod";
import { ActivitySource } from "./access.ts";
import { Port } from "./names.ts";

const Timestamp = z.number().int().describe("milliseconds since the epoch");

/** After how many idle minutes a Gitspace is stopped. */
export const AutoStopMinutes = z.int().min(1).max(43_200);

export const ActivityEntry = z.object({
  source: ActivitySource,
  port: Port,
  bytes: z.number().int().describe("moved by clients within the last 24 hours, both ways"),
  last_moved: Timestamp.describe("the last minute in which anything moved"),
  last_active: Timestamp.nullable().describe(
    "the last minute of use; an open window that only keeps itself alive is none",
  ),
});
export type ActivityEntry = z.infer<typeof ActivityEntry>;

export const GitspaceActivity = z.object({
  last_used: Timestamp.nullable(),
  auto_stop_minutes: AutoStopMinutes.nullable(),
  stops_at: Timestamp.nullable().describe(
    "when it is stopped if nobody uses it before; null while that is not foreseen",
  ),
  entries: z.array(ActivityEntry).describe("the latest use first"),
});
export type GitspaceActivity = z.infer<typeof GitspaceActivity>;

/** `PATCH /api/v1/gitspaces/{id}`. */
export const ChangeGitspace = z.strictObject({
  auto_stop_minutes: AutoStopMinutes.nullable().describe("null: it runs until somebody stops it"),
});
