// How the gateway answers for itself: a page for people, problem+json for programs.
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { toProblem } from "@gitspaces/contracts";
import { type Page, pageHeaders, renderPage } from "./page-frame.ts";
import type { Told } from "./pages.ts";

/** Whether a program asks: it accepts JSON and no HTML, or is a script inside a page. */
export function wantsProblem(method: string, headers: IncomingHttpHeaders): boolean {
  if (method !== "GET" && method !== "HEAD") return true;
  const accept = headers.accept ?? "";
  if (accept.includes("text/html")) return false;
  return (
    accept.includes("json") || (headers["sec-fetch-mode"] !== undefined && headers["sec-fetch-mode"] !== "navigate")
  );
}

/** Tells a situation in the form that the asker reads. */
export function tell(request: IncomingMessage, response: ServerResponse, { page, failure, status }: Told): void {
  if (wantsProblem(request.method ?? "GET", request.headers)) {
    sendJson(response, status, { ...toProblem(failure), status }, "application/problem+json");
  } else sendPage(response, status, page);
}

export function sendPage(response: ServerResponse, status: number, page: Page): void {
  const html = renderPage(page);
  send(response, status, pageHeaders(page), html);
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  contentType = "application/json",
): void {
  send(
    response,
    status,
    { "Content-Type": contentType, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff" },
    `${JSON.stringify(body)}\n`,
  );
}

/** A redirect that leaves no trace: not stored, and no referrer tells where it came from. */
export function redirect(response: ServerResponse, location: string, cookies: string[]): void {
  const headers = {
    Location: location,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Set-Cookie": cookies,
  };
  send(response, 303, headers, "");
}

/** Sends an answer of our own, unless one was begun. */
export function send(
  response: ServerResponse,
  status: number,
  headers: Record<string, string | string[]>,
  body: string,
): void {
  if (response.headersSent || response.destroyed) return void response.destroy();
  response.writeHead(status, { ...headers, "Content-Length": Buffer.byteLength(body) }).end(body);
}
