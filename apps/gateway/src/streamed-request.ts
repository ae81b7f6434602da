// Requests whose head must reach the server before their body: those that expect 100, announce trailers, or take their time.
import { type ClientRequest, type IncomingMessage, request as httpRequest, type ServerResponse } from "node:http";
import { pipeline } from "node:stream";
import { FailureError, fail } from "@gitspaces/contracts";
import type { Ending } from "./ending.ts";
import type { Upstream } from "./forwarder.ts";
import type { HeaderPolicy } from "./header-policy.ts";
import { framingOf } from "./request-framing.ts";
import { brokeOff, sayHead, sayInterim, sayTrailers } from "./upstream-answer.ts";

/** As `Forwarder.forward`, over a socket of its own. */
export async function streamRequest(
  request: IncomingMessage,
  response: ServerResponse,
  upstream: Upstream,
  policy: HeaderPolicy,
  signal: Ending,
): Promise<undefined> {
  const over = new AbortController();
  const end = (): void => over.abort();
  for (const ends of [signal, upstream.ended]) ends.addEventListener("abort", end, { once: true });
  response.once("close", end);
  if (signal.aborted || upstream.ended.aborted || response.destroyed) end();
  try {
    const socket = await upstream.dial(over.signal);
    if (over.signal.aborted) socket.destroy();
    await exchange(() => socket, request, response, policy, over.signal);
    return undefined;
  } catch (error) {
    if (response.headersSent || response.destroyed) {
      response.destroy();
      return undefined;
    }
    request.unpipe();
    request.resume();
    if (signal.aborted || upstream.ended.aborted)
      throw fail("vm_unreachable", "The Gitspace moved while it was asked.", { cause: error });
    if (error instanceof FailureError) throw error;
    throw brokeOff("The connection to the Gitspace broke before it answered.", error);
  } finally {
    for (const ends of [signal, upstream.ended]) ends.removeEventListener("abort", end);
    response.off("close", end);
  }
}

function exchange(
  connect: () => Awaited<ReturnType<Upstream["dial"]>>,
  request: IncomingMessage,
  response: ServerResponse,
  policy: HeaderPolicy,
  over: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const asked = httpRequest({
      createConnection: connect,
      method: request.method ?? "GET",
      path: request.url ?? "/",
      setHost: false,
      headers: headOf(request, policy),
    });
    const abandon = (): void => {
      asked.destroy();
      reject(new Error("ended"));
    };
    over.addEventListener("abort", abandon, { once: true });
    asked.on("error", reject);
    asked.once("continue", () => {
      if (!response.headersSent && request.headers.expect !== undefined) response.writeContinue();
    });
    asked.on("information", ({ statusCode, rawHeaders }) => {
      if (statusCode !== 100) sayInterim(response, statusCode, rawHeaders, policy);
    });
    asked.once("upgrade", (_answer, socket) => {
      socket.destroy();
      reject(brokeOff("The server inside switched protocols without being asked to."));
    });
    asked.once("response", (answer) => {
      try {
        sayHead(response, answer.statusCode ?? 0, answer.statusMessage ?? "", answer.rawHeaders, policy);
      } catch (error) {
        asked.destroy();
        return reject(error);
      }
      response.flushHeaders();
      answer.once("end", () => sayTrailers(response, answer.rawTrailers));
      pipeline(answer, response, (error) => {
        over.removeEventListener("abort", abandon);
        asked.destroy();
        if (error == null) resolve();
        else reject(error);
      });
    });
    if (over.aborted) return abandon();
    asked.flushHeaders();
    sendBody(request, asked);
  });
}

function headOf(request: IncomingMessage, policy: HeaderPolicy): string[] {
  const head = [...policy.request(request.rawHeaders), "Connection", "close"];
  if (framingOf(request) === "chunked") head.push("Transfer-Encoding", "chunked");
  if (request.headers.expect !== undefined) head.push("Expect", request.headers.expect);
  return head;
}

function sendBody(request: IncomingMessage, asked: ClientRequest): void {
  request.once("end", () => {
    const { rawTrailers } = request;
    const trailers: [string, string][] = [];
    for (let at = 0; at + 1 < rawTrailers.length; at += 2)
      trailers.push([rawTrailers[at] ?? "", rawTrailers[at + 1] ?? ""]);
    if (trailers.length > 0) asked.addTrailers(trailers);
    asked.end();
  });
  request.pipe(asked, { end: false });
}
