// The head of an upstream's answer, as far as it may be said again: a server inside can answer anything.
import type { IncomingMessage } from "node:http";
import { fail } from "@gitspaces/contracts";

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
  if (statusCode < 200) throw fail("vm_unreachable", `The server inside answered with the status ${statusCode}.`);
  return { status: statusCode, reason: plainReason.test(statusMessage) ? statusMessage : "" };
}
