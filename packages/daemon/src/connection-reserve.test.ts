import { once } from "node:events";
import { createServer } from "node:http";
import { Agent, get } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { type Descriptors, judge, keepConnectionReserve } from "./connection-reserve.ts";

test("E14: 15 % of the descriptors are kept for who is served already, the last 5 % for the administrator", () => {
  const verdicts = [84, 85, 94, 95, 100].map((inUse) => judge({ inUse, limit: 100 }));
  expect(verdicts).toEqual(["serve", "refuse", "refuse", "drop", "drop"]);
});

test("I13 E14: who is served stays served while new connections are refused, and all are served once there is room", async () => {
  let descriptors: Descriptors = { inUse: 10, limit: 100 };
  const server = createServer((request, response) => {
    response.writeHead(reserve.isRefused(request.socket) ? 503 : 200).end();
  });
  const reserve = keepConnectionReserve(server, () => descriptors);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const kept = new Agent({ keepAlive: true, maxSockets: 1 });
  const ask = async (agent?: Agent) =>
    await new Promise<number>((resolve) => {
      const asked = get({ host: "127.0.0.1", port, agent: agent ?? false }, (answer) => {
        answer.resume().once("end", () => resolve(answer.statusCode ?? 0));
      });
      asked.once("error", () => resolve(0));
    });

  expect(await ask(kept)).toBe(200);
  await new Promise((resolve) => setTimeout(resolve, 600));
  descriptors = { inUse: 86, limit: 100 };
  expect(await Promise.all([ask(kept), ask(), ask()])).toEqual([200, 503, 503]);
  await new Promise((resolve) => setTimeout(resolve, 600));
  descriptors = { inUse: 96, limit: 100 };
  expect(await Promise.all([ask(kept), ask()])).toEqual([200, 0]);
  await new Promise((resolve) => setTimeout(resolve, 600));
  // Too few to look with: that some were closed meanwhile is no reason to serve.
  descriptors = { inUse: Number.POSITIVE_INFINITY, limit: 1 };
  expect([await ask(), await ask(), await ask(), await ask(kept)]).toEqual([0, 0, 0, 200]);
  descriptors = { inUse: 10, limit: 100 };
  await new Promise((resolve) => setTimeout(resolve, 600));
  expect(await ask()).toBe(200);
  kept.destroy();
  server.close();
});
