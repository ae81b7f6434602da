// One exchange at a time, over real connections.
import { once } from "node:events";
import { Agent, createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { open, readText } from "./exchange.ts";

let cleanup: AsyncDisposableStack;
beforeEach(() => {
  cleanup = new AsyncDisposableStack();
});
afterEach(() => cleanup.disposeAsync());

async function serve(
  listener: RequestListener,
): Promise<(method: "GET" | "POST", path?: string) => ReturnType<typeof open>> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  const agent = new Agent({ keepAlive: true });
  cleanup.defer(() => agent.destroy());
  cleanup.defer(() => void server.close());
  const base = `http://a-name.localhost:${(server.address() as AddressInfo).port}`;
  const signal = AbortSignal.timeout(5_000);
  return (method, path = "/") => open({ method, url: new URL(path, base), agent, headers: {}, body: "x", signal });
}

test("a redirect is an answer and is not followed", async () => {
  const paths: unknown[] = [];
  const ask = await serve((request, response) => {
    paths.push(request.url);
    response.writeHead(302, { location: "/elsewhere" }).end("moved");
  });
  const response = await ask("POST", "/here");
  expect([response.statusCode, await readText(response)]).toEqual([302, "moved"]);
  expect(paths).toEqual(["/here"]);
});

test("a kept connection that was closed at the other end costs nothing but another connection", async () => {
  const seen = new WeakSet<object>();
  const ask = await serve((request, response) => {
    if (seen.has(request.socket)) request.socket.resetAndDestroy();
    else response.end("answer");
    seen.add(request.socket);
  });
  for (let round = 0; round < 3; round++) expect(await readText(await ask("POST"))).toBe("answer");
});

test("a fresh connection that breaks is an error", async () => {
  const ask = await serve((request) => void request.socket.resetAndDestroy());
  await expect(ask("POST")).rejects.toThrow(/ECONNRESET|hang up/);
});

test("a response that is too long is not read to its end", async () => {
  const ask = await serve((_, response) => void response.end(Buffer.alloc(9 * 1024 * 1024)));
  await expect(readText(await ask("GET"))).rejects.toThrow("longer than 8388608 bytes");
});
