// A real Redis for one test file: its own process, folder and port, gone with the test.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export type RedisServer = { url: string; port: number } & AsyncDisposable;

/** Starts `redis-server` as our daemons want it, on a free port or the wanted one; `settings` replace its own. */
export async function startRedisServer({
  port: wanted,
  settings = {},
}: {
  port?: number | undefined;
  settings?: Record<string, string>;
} = {}): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), "gs-redis-"));
  const fixed = { bind: "127.0.0.1", dir: folder, save: "", appendonly: "yes", "maxmemory-policy": "noeviction" };
  for (let attempt = 1; ; attempt++) {
    const port = wanted ?? (await freePort());
    const all = { ...fixed, port: String(port), ...settings };
    const args = Object.entries(all).flatMap(([name, value]) => [`--${name}`, value]);
    const server = spawn("redis-server", args, { stdio: ["ignore", "pipe", "ignore"] });
    if (await isReady(server)) {
      const end = async () => {
        await ended(server);
        rmSync(folder, { recursive: true, force: true });
      };
      return { url: `redis://127.0.0.1:${port}`, port, [Symbol.asyncDispose]: end };
    }
    if (attempt === 3) throw new Error("redis-server did not start");
  }
}

/** A port that nobody listened on a moment ago. */
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

async function ended(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  server.kill("SIGKILL");
  await once(server, "exit");
}
