// One HTTP exchange with JSON bodies over a kept-alive connection; redirects are answers, not orders.
import { type Agent, type IncomingMessage, request as plainRequest } from "node:http";
import { request as secureRequest } from "node:https";
import { lookupLocalhost } from "@gitspaces/daemon";

export type Exchange = {
  method: "GET" | "POST" | "PUT";
  url: URL;
  agent: Agent;
  headers: Record<string, string>;
  body?: string;
  signal: AbortSignal;
};

const LONGEST_BODY = 8 * 1024 * 1024;

/**
 * Sends and gives the response once its head is there. The caller reads or destroys it. Throws what the socket throws; only when
 * a kept connection had been closed at the other end, the request is made once more. Every request of ours may be repeated.
 */
export function open(exchange: Exchange): Promise<IncomingMessage> {
  const { method, url, agent, headers, body, signal } = exchange;
  const send = url.protocol === "https:" ? secureRequest : plainRequest;
  const length = body === undefined && method === "GET" ? {} : { "content-length": Buffer.byteLength(body ?? "") };
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const sending = send(url, { method, agent, signal, lookup: lookupLocalhost, headers: { ...headers, ...length } });
    sending.once("error", (error: NodeJS.ErrnoException) => {
      const stale = sending.reusedSocket && ["ECONNRESET", "EPIPE"].includes(error.code ?? "") && !signal.aborted;
      if (stale) resolve(open(exchange));
      else reject(error);
    });
    sending.once("response", resolve);
    sending.end(body);
  });
}

/** The whole text of a response, at most 8 MiB. @throws when it is longer or the connection breaks. */
export async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > LONGEST_BODY) throw new Error(`the response is longer than ${LONGEST_BODY} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
