// How a client framed the body of its request, and whether any of it is at hand.
import type { IncomingMessage } from "node:http";

export type Framing = "chunked" | "length" | "none";

/** How long a request may be held back for the first bytes of its body, before its head goes ahead alone. */
const FIRST_BYTES_MS = 100;

/** Read from the headers as they were sent. The parser has refused whatever is ambiguous. */
export function framingOf({ headers }: Pick<IncomingMessage, "headers">): Framing {
  if (headers["transfer-encoding"] !== undefined) return "chunked";
  const length = headers["content-length"];
  return length === undefined || length === "0" ? "none" : "length";
}

/** Whether the request may be sent a second time when a pooled socket had died before it was used. */
export function isRepeatable({ method }: IncomingMessage, framing: Framing): boolean {
  return framing === "none" && (method === "GET" || method === "HEAD");
}

/** Waits a moment for the first bytes of a body; tells whether they (or its end) came. */
export function bodyBegins(request: IncomingMessage): Promise<boolean> {
  if (request.readableLength > 0 || request.complete || request.destroyed) return Promise.resolve(true);
  return new Promise((resolve) => {
    const settle = (hasBegun: boolean): void => {
      clearTimeout(timer);
      request.off("readable", onBytes).off("close", onBytes);
      resolve(hasBegun);
    };
    const onBytes = (): void => settle(true);
    const timer = setTimeout(() => settle(false), FIRST_BYTES_MS);
    request.on("readable", onBytes).on("close", onBytes);
  });
}
