// What a control plane on a bad day does to an answer, on a real socket.
import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

/** `storm`: 503 with 2 MB. `dribble`: a few bytes at a time. `loris`: never ends. `truncate`: half of the JSON. `huge`: 2 MB of JSON. */
const forms = ["dribble", "truncate", "huge"] as const;
const insteads = ["cut", "hang", "storm", "loris"] as const;
export type Verdict = number | (typeof forms)[number] | (typeof insteads)[number] | undefined;

const TWO_MB = 2 * 1024 * 1024;

/** Does what the verdict says instead of an answer; false when there is to be one. */
export function misbehave(response: ServerResponse, verdict: Verdict): boolean {
  if (typeof verdict === "number") response.writeHead(verdict, { "content-type": "text/plain" }).end("no");
  else if (verdict === "cut") response.destroy();
  else if (verdict === "storm") response.writeHead(503).end("<p>".padEnd(TWO_MB, "sorry "));
  else if (verdict === "loris") neverEnd(response);
  else return verdict === "hang";
  return true;
}

/** Sends the answer, in the form that the verdict says. */
export async function send(response: ServerResponse, status: number, body?: unknown, form?: Verdict): Promise<void> {
  const text = body === undefined ? "" : JSON.stringify(body);
  response.writeHead(status, { "content-type": "application/json" });
  if (form === "truncate") response.end(text === "" ? "{" : text.slice(0, text.length / 2));
  else if (form === "huge") response.end(`${" ".repeat(TWO_MB)}${text}`);
  else if (form === "dribble") await dribble(response, text);
  else response.end(text);
}

async function dribble(response: ServerResponse, text: string): Promise<void> {
  const step = Math.max(1, Math.ceil(text.length / 12));
  for (let at = 0; at < text.length && !response.destroyed; at += step) {
    response.write(text.slice(at, at + step));
    await sleep(10);
  }
  response.end();
}

function neverEnd(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "application/json" });
  const timer = setInterval(() => response.write(" "), 100);
  response.once("close", () => clearInterval(timer));
}

/** Numbers in [0, 1) that are the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
