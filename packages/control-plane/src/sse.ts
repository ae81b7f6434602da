// Server-sent events: a stream that reads the store, writes what is new, and waits for the bell.
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Bell } from "./bells.ts";
import { left } from "./http.ts";

/** A reader that hears nothing for twice as long knows that it is cut off. */
const HEARTBEAT_MS = 5_000;

export type Send = (event: string, data: unknown, id?: number) => void;

type Stream = {
  request: FastifyRequest;
  reply: FastifyReply;
  bells: Bell[];
  /** The server is stopping. */
  closing: AbortSignal;
  /** Writes all that is new. Gives `end` when nothing more will come. */
  write: (send: Send) => Promise<"end" | void> | "end" | void;
};

/** Serves a stream until the client leaves or the server stops. Heartbeats are comments, every 5 s. */
export async function serveEvents({ request, reply, bells, closing, write }: Stream): Promise<void> {
  const { raw } = reply;
  const signal = left(reply, closing);
  reply.hijack();
  raw.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "x-accel-buffering": "no" });
  raw.flushHeaders();
  let wroteAt = performance.now();
  const send: Send = (event, data, id) => {
    raw.write(`${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    wroteAt = performance.now();
  };
  raw.write(": hello\n\n");
  request.raw.socket.setNoDelay(true);
  try {
    while (!signal.aborted) {
      if (request.isSignedIn?.() === false) break; // undefined where somebody else than a person follows
      const seen = bells.map((bell) => bell.count);
      if ((await write(send)) === "end") break;
      if (raw.writableNeedDrain) await drained(raw, signal);
      await anyRings(bells, seen, wroteAt + HEARTBEAT_MS - performance.now(), signal);
      if (signal.aborted || performance.now() - wroteAt < HEARTBEAT_MS) continue;
      raw.write(": \n\n");
      wroteAt = performance.now();
    }
    raw.end();
  } catch (error) {
    raw.destroy(); // the client comes back with the last id it has
    throw error;
  }
}

async function anyRings(bells: Bell[], seen: number[], waitMs: number, signal: AbortSignal): Promise<void> {
  const one = new AbortController();
  const stop = () => one.abort();
  signal.addEventListener("abort", stop, { once: true });
  await Promise.race(bells.map((bell, index) => bell.next(seen[index] ?? 0, waitMs, one.signal)));
  signal.removeEventListener("abort", stop);
  one.abort();
}

async function drained(raw: FastifyReply["raw"], signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const done = () => resolve();
  raw.once("drain", done);
  signal.addEventListener("abort", done, { once: true });
  await promise;
  raw.off("drain", done);
  signal.removeEventListener("abort", done);
}

/** Where a client wants to go on: `Last-Event-ID`, or `after` in the query; 0 is the beginning. */
export function resumeFrom(request: FastifyRequest, fallback = 0): number {
  const { "last-event-id": header } = request.headers;
  const { after } = request.query as { after?: string | number };
  const text = String(typeof header === "string" ? header : (after ?? ""));
  const number = Number(text);
  return text !== "" && Number.isSafeInteger(number) && number >= 0 ? number : fallback;
}
