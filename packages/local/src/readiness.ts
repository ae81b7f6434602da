// Asking a daemon's admin port whether it serves.
import { get } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { fail } from "@gitspaces/contracts";
import type { KeptProgram } from "./program.ts";

type Waiting = { name: string; adminPort: number; program: KeptProgram; deadlineMs: number; signal: AbortSignal };

/**
 * Waits until `/readyz` answers 200, and from then on counts the program as started.
 * @throws {FailureError} when the program ended first, or `timeout` with what it was still waiting for.
 */
export async function waitUntilReady({ name, adminPort, program, deadlineMs, signal }: Waiting): Promise<void> {
  const giveUp = new AbortController();
  const ends = AbortSignal.any([signal, giveUp.signal]);
  try {
    await Promise.race([poll(name, adminPort, deadlineMs, ends), program.failed]);
    program.started();
  } finally {
    giveUp.abort();
  }
}

async function poll(name: string, adminPort: number, deadlineMs: number, signal: AbortSignal): Promise<void> {
  const until = performance.now() + deadlineMs;
  for (;;) {
    const answer = await ask(adminPort, signal).catch((error: Error) => ({ status: 0, body: error.message }));
    signal.throwIfAborted();
    if (answer.status === 200) return;
    if (performance.now() > until) {
      throw fail("timeout", `${name} was not ready within ${deadlineMs / 1_000} s. It says: ${answer.body.trim()}`);
    }
    await sleep(25, undefined, { signal });
  }
}

function ask(port: number, signal: AbortSignal): Promise<{ status: number; body: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>();
  const request = get(
    { host: "127.0.0.1", port, path: "/readyz", signal, agent: false, timeout: 2_000 },
    (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
      response.once("end", () => resolve({ status: response.statusCode ?? 0, body })).once("error", reject);
    },
  );
  request.once("timeout", () => request.destroy(new Error("no answer within 2 s"))).once("error", reject);
  return promise;
}
