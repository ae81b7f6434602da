// What somebody who waits for a Gitspace does next, decided purely from what is known now and what they saw and did before.
import type { AccessDocument } from "@gitspaces/contracts";
import type { Routed } from "../routes.ts";
import { whereabouts } from "../verdict.ts";

/** What a waiter remembers. */
export type Waited = {
  /** Whether they may start it. */
  mayStart: boolean;
  /** The generation they met. */
  met: number;
  /** The generation of the start they asked for, once that was accepted. */
  asked?: number;
};

export type Step =
  | { step: "go"; routed: Routed }
  | { step: "wait" }
  | { step: "wake" }
  /** `stopped_meanwhile`: somebody stopped it while it was waited for. */
  | { step: "give_up"; why: "stopped" | "stopped_meanwhile" | "failed" | "gone" };

/** The next step of a waiter. A stop that came after they did is never undone by them. */
export function nextStep(
  document: AccessDocument | undefined,
  routed: Routed | undefined,
  { mayStart, met, asked }: Waited,
): Step {
  if (document === undefined || document.state === "deleted") return { step: "give_up", why: "gone" };
  const verdict = whereabouts(document, routed);
  if (verdict.verdict === "forward") return { step: "go", routed: verdict.routed };
  if (verdict.verdict !== "wait") return { step: "give_up", why: "gone" };
  // The news of the start that was asked for is on its way.
  if (asked !== undefined && document.generation < asked) return { step: "wait" };
  const isLater = document.generation > (asked ?? met);
  switch (verdict.situation) {
    case "starting":
    case "unreachable":
      return { step: "wait" };
    case "error":
      return { step: "give_up", why: "failed" };
    case "stopping":
      if (isLater || asked !== undefined) return { step: "give_up", why: "stopped_meanwhile" };
      return mayStart ? { step: "wait" } : { step: "give_up", why: "stopped" };
    default:
      if (isLater || asked !== undefined) return { step: "give_up", why: "stopped_meanwhile" };
      return mayStart ? { step: "wake" } : { step: "give_up", why: "stopped" };
  }
}
