// The delegate's failpoints: what may be cut between two of its effects. A test reads the source and finds none missing.
import type { PointNames } from "@gitspaces/daemon";
import type { Queue } from "bullmq";
import type { Redis } from "ioredis";
import type { ControlPlane } from "./control-plane.ts";
import type { Journal } from "./journal.ts";

export const journalPoints = {
  intend: "Intend",
  forget: "Forget",
  accept: "Accept",
  hold: "Hold",
  answer: "AnswerStored",
  answerLate: "LateAnswerStored",
  close: "AnswerClosed",
  reopen: "AnswerReopened",
  addEvents: "EventsStored",
  dropEvents: "EventsDropped",
  refuseEvents: "EventsRefused",
} as const satisfies PointNames<Journal>;

export const controlPlanePoints = {
  acquire: "Acquire",
  answer: "AnswerSent",
  events: "EventsSent",
} as const satisfies PointNames<ControlPlane>;

export const queuePoints = { add: "Queued", remove: "JobRemoved" } as const satisfies PointNames<Queue>;

export const markPoints = { set: "CancelMarked", publish: "CancelTold" } as const satisfies PointNames<Redis>;

/** Points that stand in the source themselves, after a task was handed to the gateway and after a part of its stream. */
export const gatewayPoints = { submitted: "delegate.afterSubmitted", streamRead: "delegate.afterStreamRead" } as const;

/** The points after each effect. Those of a port have a twin before it, named `before…`. */
export const failpointNames: readonly string[] = [
  ...[journalPoints, controlPlanePoints, queuePoints, markPoints]
    .flatMap((points) => Object.values(points))
    .map((name) => `delegate.after${name}`),
  ...Object.values(gatewayPoints),
];
