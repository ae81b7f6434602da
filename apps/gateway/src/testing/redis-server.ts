// A real Redis for one test file, on a free port, with nothing kept.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";

export type TestRedis = { url: string; port: number; client: Redis; stop(): Promise<void> } & AsyncDisposable;

export async function startRedis(port?: number): Promise<TestRedis> {
  const chosen = port ?? (await freePort());
  const child = spawn(
    "redis-server",
    ["--port", String(chosen), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
    { stdio: "ignore" },
  );
  const client = new Redis({ port: chosen, host: "127.0.0.1", lazyConnect: true, retryStrategy: () => 20 });
  client.on("error", () => {});
  await client.connect().catch(() => {});
  while (client.status !== "ready") await sleep(10);
  const stop = async (): Promise<void> => {
    client.disconnect();
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
  };
  return { url: `redis://127.0.0.1:${chosen}`, port: chosen, client, stop, [Symbol.asyncDispose]: stop };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
