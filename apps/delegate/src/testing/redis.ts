// A real Redis for one test file, on a port of its own, with nothing on disk.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { createInterface } from "node:readline";

export type TestRedis = { url: string; port: number } & AsyncDisposable;

/** Starts `redis-server`, on a free port or the one that is wanted; disposing ends it. */
export async function startRedis(wanted?: number): Promise<TestRedis> {
  for (let attempt = 1; ; attempt++) {
    const port = wanted ?? (await freePort());
    const server = spawn(
      "redis-server",
      ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--dir", "/tmp"],
      {
        stdio: ["ignore", "pipe", "ignore"],
      },
    );
    if (await isReady(server))
      return { url: `redis://127.0.0.1:${port}`, port, [Symbol.asyncDispose]: () => end(server) };
    if (attempt === 3) throw new Error("redis-server did not start");
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function isReady(server: ChildProcess): Promise<boolean> {
  if (server.stdout === null) return false;
  for await (const line of createInterface({ input: server.stdout })) {
    if (/ready to accept connections/i.test(line)) {
      server.stdout.resume();
      return true;
    }
  }
  return false;
}

async function end(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  server.kill("SIGKILL");
  await once(server, "exit");
}
