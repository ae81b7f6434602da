// A Gitspace that is started because somebody visits it: what the control plane answers, and what it tells while the start goes on.
import { z } from "zod";
import { EventKind } from "./event.ts";
import { Failure } from "./failure.ts";
import { GitspaceId } from "./names.ts";

/** What became of one `wake` report. `accepted`: it runs, or a start is under way, with this generation or a later one. */
export const WakeAnswer = z.discriminatedUnion("outcome", [
  z.object({ outcome: z.literal("accepted"), gitspaceId: GitspaceId, generation: z.int().min(0) }),
  z.object({ outcome: z.literal("denied"), gitspaceId: GitspaceId, failure: Failure }),
]);
export type WakeAnswer = z.infer<typeof WakeAnswer>;

/** The answer to `POST /api/gateway/v1/reports`: one entry for each `wake` in it, in their order. */
export const GatewayReportsAnswer = z.object({ wakes: z.array(WakeAnswer).default([]) });

/**
 * `GET /api/gateway/v1/gitspaces/{id}/progress` (SSE): the timeline of the present or last start from its beginning, and the state;
 * then both as they change. The id of `timeline` is the event's.
 */
export const ProgressMessage = z.discriminatedUnion("event", [
  z.object({
    event: z.literal("timeline"),
    data: z.object({ id: z.int(), kind: EventKind, message: z.string(), at: z.number() }),
  }),
  z.object({
    event: z.literal("state"),
    data: z.object({
      state: z.string(),
      generation: z.int().min(0),
      failure: z.object({ code: z.string(), message: z.string() }).nullable(),
    }),
  }),
]);
export type ProgressMessage = z.infer<typeof ProgressMessage>;
export type ProgressEvent = Extract<ProgressMessage, { event: "timeline" }>["data"];
