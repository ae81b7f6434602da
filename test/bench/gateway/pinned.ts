// A process of the bench on one core, which says by a message what others need to know of it, and then runs until it is ended.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Heard } from "./messages.ts";
import { untilListening } from "./ports.ts";

/** Proxies have a core of their own; servers and load share the other. */
export const PROXY_CORE = 0;
export const LOAD_CORE = 1;
const END_MS = 5_000;

export type Pinned<T> = { pid: number; said: T; ask<R>(question: unknown): Promise<R> } & AsyncDisposable;

/** Starts one of our programs and waits for its first message, at most twenty seconds. */
export async function startPinned<T>(
  core: number,
  program: string,
  about: Record<string, unknown>,
): Promise<Pinned<T>> {
  const file = fileURLToPath(new URL(program, import.meta.url));
  const args = ["-c", String(core), process.execPath, "--expose-gc", file, JSON.stringify(about)];
  const child = spawn("taskset", args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const ended = once(child, "exit");
  const hear = async <R>(): Promise<R> => {
    const signal = AbortSignal.timeout(20_000);
    const [message] = (await Promise.race([
      once(child, "message", { signal }),
      ended.then(() => {
        throw new Error(`${program} ended before it answered`);
      }),
    ])) as [Heard<R>];
    return message.said;
  };
  const said = await hear<T>();
  return {
    pid: child.pid ?? 0,
    said,
    async ask<R>(question: unknown) {
      child.send({ question });
      return hear<R>();
    },
    async [Symbol.asyncDispose]() {
      // It closes what it has opened itself, such as its Redis.
      if (child.connected) child.disconnect();
      const timer = setTimeout(() => child.kill("SIGKILL"), END_MS);
      await ended;
      clearTimeout(timer);
    },
  };
}

/** Starts a program that is not ours and is up when its port answers. */
export async function startProgram(
  core: number,
  command: string[],
  port: number,
): Promise<{ pid: number } & AsyncDisposable> {
  const child = spawn("taskset", ["-c", String(core), ...command], { stdio: ["ignore", "ignore", "inherit"] });
  const ended = once(child, "exit");
  await untilListening(port);
  return {
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), END_MS);
      await ended;
      clearTimeout(timer);
    },
  };
}
