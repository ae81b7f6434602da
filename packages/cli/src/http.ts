// HTTP to the control plane on node:http, because names under `localhost` must reach loopback and Node's resolver does not know them.
import { lookup as systemLookup } from "node:dns";
import type { ClientRequest, IncomingMessage } from "node:http";
import type { LookupFunction } from "node:net";
import { text } from "node:stream/consumers";
import { fail, Problem } from "@gitspaces/contracts";

/** Where a control plane is, and the token that opens it. `from` names where both were found, for messages. */
export type Server = { url: string; token: string; from: string };

export type Sending = {
  method?: string;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** How long to wait for the first byte of the answer. */
  timeoutMs?: number;
};

const loopback = [
  { address: "127.0.0.1", family: 4 },
  { address: "::1", family: 6 },
];

/** RFC 6761 section 6.3: every name under `localhost` is loopback. */
export const lookup: LookupFunction = (hostname, options, callback) => {
  if (!/(^|\.)localhost\.?$/.test(hostname)) return systemLookup(hostname, options, callback);
  const found = loopback.filter(
    ({ family }) => !options.family || `IPv${family}` === options.family || family === options.family,
  );
  if (options.all === true) return callback(null, found);
  return callback(null, found[0]?.address ?? "127.0.0.1", found[0]?.family ?? 4);
};

/**
 * Sends a request under /api/v1 and gives the answer once its head is there and says success.
 * @throws {FailureError} what the problem of the answer says; `internal` when nobody answers in time.
 */
export async function send(server: Server, path: string, sending: Sending = {}): Promise<IncomingMessage> {
  const { body, method = body === undefined ? "GET" : "POST", timeoutMs = 30_000 } = sending;
  const url = new URL(`${server.url.replace(/\/+$/, "")}/api/v1/${path}`);
  const { request } = await (url.protocol === "https:" ? import("node:https") : import("node:http"));
  const payload = body === undefined ? undefined : JSON.stringify(body);
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const sent: ClientRequest = request(url, {
      method,
      lookup,
      headers: {
        accept: "application/json",
        authorization: `Bearer ${server.token}`,
        ...(payload === undefined
          ? {}
          : { "content-type": "application/json", "content-length": Buffer.byteLength(payload) }),
        ...sending.headers,
      },
      ...(sending.signal === undefined ? {} : { signal: sending.signal }),
    });
    const late = setTimeout(() => sent.destroy(new Error(`no answer within ${timeoutMs / 1_000} s`)), timeoutMs);
    sent.once("error", (cause) => {
      clearTimeout(late);
      reject(sending.signal?.aborted === true ? cause : unanswered(server, cause));
    });
    sent.once("response", (response) => {
      clearTimeout(late);
      resolve(response);
    });
    sent.end(payload);
  });
  const status = answer.statusCode ?? 0;
  if (status >= 200 && status < 300) return answer;
  throw await problem(server, answer, status);
}

/** The JSON of an answer, or nothing for an empty one. @throws {FailureError} `internal` when it is something else. */
export async function readJson(server: Server, answer: IncomingMessage): Promise<unknown> {
  const late = setTimeout(() => answer.destroy(new Error("the answer did not end")), 30_000);
  try {
    const body = await text(answer);
    return body === "" ? undefined : JSON.parse(body);
  } catch (cause) {
    throw cause instanceof SyntaxError ? notOurs(server, answer.statusCode ?? 0) : unanswered(server, cause as Error);
  } finally {
    clearTimeout(late);
  }
}

async function problem(server: Server, answer: IncomingMessage, status: number): Promise<Error> {
  const body = await readJson(server, answer).catch(() => undefined);
  const said = Problem.safeParse(body);
  if (status === 401) {
    return fail(
      "denied",
      `${server.url} does not know the token from ${server.from}. Sign in again with: gitspaces login`,
    );
  }
  if (!said.success) return notOurs(server, status);
  const { code, detail, retry, field, details } = said.data;
  return fail(code, detail, {
    retry,
    ...(field === undefined ? {} : { field }),
    ...(details === undefined ? {} : { details }),
  });
}

function notOurs(server: Server, status: number): Error {
  return fail(
    "internal",
    `${server.url} (from ${server.from}) answered ${status}, but not as a control plane does. Is the address right?`,
    {
      retry: status >= 500 ? "later" : "never",
    },
  );
}

function unanswered(server: Server, cause: Error & { code?: string }): Error {
  const reason = cause.code ?? cause.message;
  return fail(
    "internal",
    `The control plane at ${server.url} (from ${server.from}) cannot be reached: ${reason}. Is it running?`,
    { cause },
  );
}
