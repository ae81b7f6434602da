// The head of an upstream's answer, as far as it may be said again: a server inside can answer anything.
import type { IncomingMessage } from "node:http";
import { fail, type FailureError } from "@gitspaces/contracts";

/** Failures that carry this detail mean: the VM is well and something listened, but no answer came of it. */
export const BROKE_OFF = "broke_off";

/** The failure of a connection that ended before its answer, or with one that is none. */
export function brokeOff(message: string, cause?: unknown): FailureError {
  return fail("vm_unreachable", message, { cause, details: { reason: BROKE_OFF } });
}

/** What Node lets a server say as a reason. */
const plainReason = /^[\t\u0020-\u007e\u0080-\u00ff]*$/;

/** Status and reason of a final answer. @throws {FailureError} `vm_unreachable` when it has no status that may end a request. */
export function finalHead({
  statusCode = 0,
  statusMessage = "",
}: Pick<IncomingMessage, "statusCode" | "statusMessage">): {
  status: number;
  reason: string;
} {
  if (statusCode < 200) throw brokeOff(`The server inside answered with the status ${statusCode}.`);
  return { status: statusCode, reason: plainReason.test(statusMessage) ? statusMessage : "" };
}
