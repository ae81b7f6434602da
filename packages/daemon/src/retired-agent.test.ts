import { once } from "node:events";
import { Agent, createServer, get, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { text } from "node:stream/consumers";
import { register } from "prom-client";
import { expect, test } from "vitest";
import { certificateGauge, daysLeft } from "./certificate-gauge.ts";
import { retireAgent } from "./retired-agent.ts";
import { makeCa } from "./testing/ca.ts";

test("a retired pool lets go of what is idle at once, and of what is in use when it is over", async () => {
  const waiting: ServerResponse[] = [];
  const server = createServer((request, response) => {
    if (request.url === "/quick") response.end("quick");
    else waiting.push(response.writeHead(200, { "content-type": "text/plain" }) && response);
    if (request.url !== "/quick") response.write("begun ");
  });
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const agent = new Agent({ keepAlive: true });
  const ask = async (path: string): Promise<IncomingMessage> => {
    const asked = get({ agent, host: "127.0.0.1", port: (server.address() as AddressInfo).port, path });
    return ((await once(asked, "response")) as [IncomingMessage])[0];
  };
  const stream = await ask("/stream");
  await text(await ask("/quick"));
  await expect.poll(() => Object.values(agent.freeSockets).flat().length).toBe(1);
  retireAgent(agent);
  await expect.poll(() => sockets.size).toBe(1);
  waiting[0]?.end("and ended");
  expect(await text(stream)).toBe("begun and ended");
  await expect.poll(() => sockets.size).toBe(0);
  server.close();
});

test("the days that a certificate has left are among the figures, and follow its renewal", async () => {
  const ca = await makeCa();
  const at = async (days: number) => (await ca.issue({ to: Date.now() + days * 86_400_000 })).certificate;
  let present: string | undefined;
  certificateGauge(() => present);
  const figure = async () => Number(/^gitspaces_certificate_days_left (\S+)$/m.exec(await register.metrics())?.[1]);
  await expect.poll(async () => await register.metrics()).toContain("gitspaces_certificate_days_left");
  for (const days of [3, 7]) {
    present = await at(days);
    expect(await figure()).toBeCloseTo(days, 2);
  }
  expect(daysLeft(present ?? "", Date.now() + 9e9)).toBe(0);
});
