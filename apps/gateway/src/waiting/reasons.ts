// Why somebody waited in vain, as a failure that names the state and when it is worth asking again.
import { fail, type Failure, type FailureCode, type FailureError } from "@gitspaces/contracts";
import { z } from "zod";

export type GaveUp =
  | { why: "gone" }
  | { why: "stopped" | "stopped_meanwhile" | "just_stopped" | "late" | "too_many" | "control_plane_away"; name: string }
  | { why: "failed"; name: string; reason?: string | undefined }
  | { why: "denied"; name: string; failure: Failure };

/** The `details` of the failure with which a wait in vain ends. */
export const GaveUpDetails = z.object({
  situation: z.string().default("stopped"),
  retryAfterSeconds: z.number().default(5),
});

type Words = { code: FailureCode; message: string; situation: string; retryAfterSeconds: number };

/** What a give-up reads like. */
export function wordsOf(gaveUp: Exclude<GaveUp, { why: "gone" }>): Words {
  const { name } = gaveUp;
  const say = (
    message: string,
    situation: string,
    retryAfterSeconds: number,
    code: FailureCode = "vm_unreachable",
  ) => ({
    code,
    message,
    situation,
    retryAfterSeconds,
  });
  switch (gaveUp.why) {
    case "stopped":
      return say(`${name} is stopped. Only its owner can start it by visiting it.`, "stopped", 60);
    case "stopped_meanwhile":
      return say(`${name} was stopped while it was waited for. Ask again to start it.`, "stopped", 10);
    case "just_stopped":
      return say(
        `${name} was stopped while you were connected, and what connects again by itself does not start it. ` +
          "Open it in a browser, or start it with: gitspaces start",
        "stopped",
        300,
      );
    case "late":
      return say(`${name} is still starting. Ask again in a few seconds.`, "starting", 5);
    case "too_many":
      return say(`Too many wait for ${name} already. Ask again in a few seconds.`, "starting", 5, "no_capacity");
    case "control_plane_away":
      return say(
        `${name} is stopped, and can not be started now: the control plane can not be reached. Gitspaces that run go on.`,
        "stopped",
        10,
      );
    case "failed": {
      const reason = gaveUp.reason === undefined ? "Its page says what went wrong." : gaveUp.reason;
      return say(`${name} did not start. ${reason}`, "error", 60);
    }
    default: {
      const { failure } = gaveUp;
      const isBusy = failure.code === "conflict";
      return say(
        `${name} can not be started now. ${failure.message}`,
        isBusy ? "stopping" : "stopped",
        isBusy ? 5 : 60,
        isBusy ? "vm_unreachable" : failure.code,
      );
    }
  }
}

/** The error to throw, with the state and the seconds after which it is worth asking again in its details. */
export function tellWhy(gaveUp: GaveUp, cause?: unknown): FailureError {
  if (gaveUp.why === "gone") return fail("not_found", "There is no Gitspace here.");
  const { code, message, situation, retryAfterSeconds } = wordsOf(gaveUp);
  return fail(code, message, { retry: "later", details: { situation, retryAfterSeconds }, cause });
}
