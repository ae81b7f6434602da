// A real Redis for one test file, with a client that is connected.
import { startRedisServer } from "@gitspaces/daemon/testing";
import { Redis } from "ioredis";

export type TestRedis = { url: string; port: number; client: Redis; stop(): Promise<void> } & AsyncDisposable;

/** Starts Redis, on a free port or the wanted one. */
export async function startRedis(wanted?: number): Promise<TestRedis> {
  const server = await startRedisServer({ port: wanted, settings: { appendonly: "no" } });
  const client = new Redis(server.url, { retryStrategy: () => 20 });
  client.on("error", () => {});
  await client.ping();
  const stop = async (): Promise<void> => {
    client.disconnect();
    await server[Symbol.asyncDispose]();
  };
  return { url: server.url, port: server.port, client, stop, [Symbol.asyncDispose]: stop };
}
