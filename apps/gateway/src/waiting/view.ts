// What somebody who waits in a browser is shown, decided purely: the words, the steps, and what they can do.
import { createHash } from "node:crypto";
import type { AccessDocument } from "@gitspaces/contracts";
import type { Situation } from "../verdict.ts";
import type { Seen } from "./progress.ts";
import { type Step, stepsOf } from "./steps.ts";

export type View = {
  situation: Situation;
  name: string;
  heading: string;
  text: string;
  /** Why it did not start, in the control plane's words. */
  reason: string | undefined;
  steps: readonly Step[];
  /** A button that starts it, when they may. */
  start: string | undefined;
  /** Where the control plane shows it; for those who may start it. */
  manageUrl: string | undefined;
};

type Facts = {
  document: AccessDocument;
  situation: Situation;
  seen: Seen;
  mayStart: boolean;
  manageUrl: string;
  /** Why a start was refused just now. */
  refusal?: string | undefined;
};

const words: Record<Situation, { claim: string; text: string; start?: string }> = {
  starting: { claim: "is starting", text: "This page becomes your Gitspace as soon as it is up." },
  stopping: { claim: "is stopping", text: "Your files are kept. You can start it again in a moment." },
  stopped: {
    claim: "is stopped",
    text: "Your files are safe. Start it, and this page becomes your Gitspace.",
    start: "Start it",
  },
  error: { claim: "did not start", text: "Your files are safe.", start: "Try again" },
  unreachable: { claim: "is starting", text: "Its machine is up; the way to it opens in a moment." },
};

/** The view of a Gitspace that is not there yet. Whoever may not start it learns its state and no more. */
export function viewOf({ document, situation, seen, mayStart, manageUrl, refusal }: Facts): View {
  const { name } = document;
  const { claim, text, start } = words[situation];
  const isShown = mayStart && (situation === "starting" || situation === "error" || situation === "unreachable");
  const failure = situation === "error" && mayStart ? seen.failure?.message : undefined;
  return {
    situation,
    name,
    heading: `${name} ${claim}`,
    text: mayStart || start === undefined ? text : "Its owner can start it; this page then becomes the Gitspace.",
    reason: refusal ?? failure,
    steps: isShown ? stepsOf(seen.events, situation === "error") : [],
    start: mayStart ? start : undefined,
    manageUrl: mayStart ? manageUrl : undefined,
  };
}

/** The same for the same view: a page that shows it already need not be told again. */
export function keyOf(view: View): string {
  return createHash("sha256").update(JSON.stringify(view)).digest("base64url").slice(0, 16);
}
