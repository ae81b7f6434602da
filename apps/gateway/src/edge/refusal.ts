// Answers of the edge itself, given before anybody knows who asks: short, by name, and mostly the last on their connection.
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { variableName } from "@gitspaces/daemon";
import type { LimitName } from "./config.ts";
import { limitText } from "./limit-hit.ts";

export type Refusal = { status: number; detail: string; limit?: string; retryAfterSeconds?: number };

/** The refusal for a limit. */
export function refusalOf(limit: LimitName): Refusal {
  const status = statuses[limit] ?? 429;
  return {
    status,
    detail: limitText(limit),
    limit: variableName(limit),
    ...(status === 429 ? { retryAfterSeconds: 5 } : {}),
  };
}

const statuses: Partial<Record<LimitName, number>> = {
  limitHeadBytes: 431,
  limitHeadSeconds: 408,
  limitBodyBytes: 413,
  limitBodyPauseSeconds: 408,
};

/** Answers with a refusal and closes the connection. A program reads problem+json (RFC 9457), anybody else a sentence. */
export function refuse(request: Pick<IncomingMessage, "headers">, response: ServerResponse, refusal: Refusal): void {
  if (response.headersSent || response.destroyed) return void response.destroy();
  const { type, body } = worded(refusal, request.headers.accept?.includes("json") === true);
  const length = Buffer.byteLength(body);
  response.writeHead(refusal.status, { ...headersOf(refusal, type), "Content-Length": length }).end(body);
}

/** The same on a socket that carries no request that could be read. */
export function refuseOn(socket: Duplex, refusal: Refusal): void {
  const { type, body } = worded(refusal, true);
  const headers = { ...headersOf(refusal, type), "Content-Length": Buffer.byteLength(body) };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const head = [`HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status] ?? ""}`, ...lines].join("\r\n");
  socket.end(`${head}\r\n\r\n${body}`);
}

function headersOf({ retryAfterSeconds }: Refusal, type: string): Record<string, string> {
  return {
    "Content-Type": type,
    "Cache-Control": "no-store",
    ...(retryAfterSeconds === undefined ? {} : { "Retry-After": String(retryAfterSeconds) }),
    Connection: "close",
  };
}

function worded({ status, detail, limit }: Refusal, isForPrograms: boolean): { type: string; body: string } {
  if (!isForPrograms) return { type: "text/plain; charset=utf-8", body: `${detail}\n` };
  const problem = { type: "about:blank", title: STATUS_CODES[status], status, detail, limit };
  return { type: "application/problem+json", body: `${JSON.stringify(problem)}\n` };
}
