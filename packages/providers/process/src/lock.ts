// One holder at a time over all processes of a machine. The kernel holds the lock (an abstract socket's name), so a holder
// that is killed lets go at once and there is no stale lock to judge.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { type Socket, connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fail } from "@gitspaces/contracts";
import { isErrno } from "./durable-file.ts";

/**
 * Waits until the lock named by `scope` (a folder) and `name` is ours. Dispose to let go.
 * @throws {FailureError} `cancelled` when the signal ends the wait.
 */
async function lock(scope: string, name: string, signal: AbortSignal): Promise<AsyncDisposable> {
  const digest = createHash("sha256").update(`${scope}\0${name}`).digest("hex").slice(0, 40);
  const path = `\0gitspaces-${digest}`;
  for (;;) {
    if (signal.aborted)
      throw fail("cancelled", `Stopped waiting for ${name}.`, { cause: signal.reason, retry: "later" });
    const held = await tryLock(path);
    if (held !== undefined) return held;
    await untilReleased(path, signal);
  }
}

/** Does `work` while the lock is ours. */
export async function whileLocked<T>(
  scope: string,
  name: string,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  const held = await lock(scope, name, signal);
  try {
    return await work();
  } finally {
    await held[Symbol.asyncDispose]();
  }
}

async function tryLock(path: string): Promise<AsyncDisposable | undefined> {
  const waiting = new Set<Socket>();
  const server = createServer((socket) => {
    waiting.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => waiting.delete(socket));
    socket.unref();
  });
  server.listen({ path });
  try {
    await once(server, "listening");
  } catch (error) {
    if (isErrno(error, "EADDRINUSE")) return undefined;
    throw error;
  }
  return {
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      for (const socket of waiting) socket.destroy();
      await closed;
    },
  };
}

/** Returns when the holder closes the connection, which it does by letting go or by dying. */
async function untilReleased(path: string, signal: AbortSignal): Promise<void> {
  const socket = connect({ path });
  const stop = () => socket.destroy();
  signal.addEventListener("abort", stop);
  await new Promise<void>((resolve) => {
    socket.on("error", () => resolve());
    socket.on("close", () => resolve());
    socket.resume();
  });
  signal.removeEventListener("abort", stop);
  // Spreads the waiters of one release, so that they do not all meet again at the same instant.
  await sleep(Math.random() * 3);
}
