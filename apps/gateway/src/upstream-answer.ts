// An upstream's answer, as far as it may be said again: a server inside can answer anything.
import type { IncomingMessage, ServerResponse } from "node:http";
import { fail, type FailureError } from "@gitspaces/contracts";
import type { HeaderPolicy } from "./header-policy.ts";

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

/** Writes a final head. Tells whether the answer's length is known. @throws {FailureError} as `finalHead`. */
export function sayHead(
  response: ServerResponse,
  statusCode: number,
  statusMessage: string,
  rawHeaders: readonly string[],
  policy: HeaderPolicy,
): { length: number | undefined } {
  const { status, reason } = finalHead({ statusCode, statusMessage });
  let headers = policy.response(rawHeaders);
  let length: number | undefined;
  let trailer = false;
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? "";
    if (name.length === 14 && name.toLowerCase() === "content-length") length = Number(headers[at + 1]);
    else if (name.length === 7 && name.toLowerCase() === "trailer") trailer = true;
  }
  if (trailer && !isChunked(response, status, length)) headers = withoutTrailer(headers);
  response.writeHead(status, reason, headers);
  return { length };
}

/** Announced trailers need an answer in chunks; Node refuses to say otherwise. */
function isChunked({ req }: ServerResponse, status: number, length: number | undefined): boolean {
  const hasBody = req.method !== "HEAD" && status !== 204 && status !== 304;
  return hasBody && length === undefined && req.httpVersionMinor > 0;
}

function withoutTrailer(headers: readonly string[]): string[] {
  return headers.filter((_, at) => headers[at - (at % 2)]?.toLowerCase() !== "trailer");
}

/** Passes an interim answer on (RFC 9110 section 15.2), when its turn has come and the client knows such answers. */
export function sayInterim(
  response: ServerResponse,
  statusCode: number,
  rawHeaders: readonly string[],
  policy: HeaderPolicy,
): void {
  if (statusCode <= 100 || statusCode === 101 || statusCode > 199)
    throw brokeOff(`The server inside answered with the status ${statusCode}.`);
  const { socket, req } = response;
  // Without a socket an earlier answer of a pipeline is still on its way; an interim answer may be left out.
  if (socket === null || response.headersSent || req.httpVersionMinor < 1) return;
  const headers = policy.response(rawHeaders);
  let head = `HTTP/1.1 ${statusCode} ${statusCode === 103 ? "Early Hints" : "Interim"}\r\n`;
  for (let at = 0; at + 1 < headers.length; at += 2) head += `${headers[at]}: ${headers[at + 1]}\r\n`;
  socket.write(`${head}\r\n`, "latin1");
}

/** Trailers for an answer in chunks, without the fields that must not come late (RFC 9110 section 6.5.1). */
export function sayTrailers(response: ServerResponse, rawTrailers: readonly string[]): void {
  if (rawTrailers.length === 0) return;
  const kept: [string, string][] = [];
  for (let at = 0; at + 1 < rawTrailers.length; at += 2) {
    const name = rawTrailers[at] ?? "";
    if (!neverLate.has(name.toLowerCase())) kept.push([name, rawTrailers[at + 1] ?? ""]);
  }
  response.addTrailers(kept);
}

const neverLate = new Set([
  "connection",
  "content-length",
  "content-encoding",
  "content-type",
  "content-range",
  "host",
  "set-cookie",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
