import { once } from "node:events";
import { get, request } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { eventually, type GatewayProcess, startGatewayProcess } from "../testing/gateway-process.ts";
import { ADA, DOMAIN, openStreet, type Street } from "../testing/street.ts";

let opened: AsyncDisposableStack;
let street: Street;
let cookie: string;
beforeEach(async () => {
  opened = new AsyncDisposableStack();
  street = opened.use(await openStreet());
  await street.controlPlane.publish({ gitspaceId: ADA });
  await street.setRoute();
  cookie = await street.cookie("ada");
  const echo = createServer();
  const sockets = new WebSocketServer({ server: echo });
  sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(data.toString())));
  echo.listen(0, "127.0.0.1");
  await once(echo, "listening");
  street.agent.ports.set(4_000, (echo.address() as AddressInfo).port);
  opened.defer(() => {
    for (const socket of sockets.clients) socket.terminate();
    echo.close();
  });
});
afterEach(async () => opened.disposeAsync());

async function start(settings: Record<string, string> = {}): Promise<GatewayProcess> {
  const gateway = opened.use(await startGatewayProcess(street, settings));
  const isServed = async (): Promise<boolean> => (await ask(gateway)) === 200;
  await eventually("the Gitspace is served", 5_000, isServed);
  return gateway;
}

async function ask(gateway: GatewayProcess): Promise<number> {
  const headers = { host: `${ADA}.${DOMAIN}:${gateway.port}`, cookie };
  const [answer] = await once(get({ host: "127.0.0.1", port: gateway.port, headers, agent: false }), "response");
  answer.resume();
  return answer.statusCode;
}

async function webSocket(gateway: GatewayProcess): Promise<WebSocket> {
  const host = `4000--${ADA}.${DOMAIN}:${gateway.port}`;
  const own = await street.cookie("ada", `4000--${ADA}.${DOMAIN}`);
  const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/`, {
    headers: { host, cookie: own, origin: `http://${host}` },
  });
  await once(socket, "open");
  return socket;
}

async function echoes(socket: WebSocket, word: string): Promise<boolean> {
  const heard = once(socket, "message", { signal: AbortSignal.timeout(3_000) });
  socket.send(word);
  return String((await heard)[0]) === word;
}

test("after a hand-over the new process serves, the old one serves on who it has, and ends when the last one leaves", async () => {
  const gateway = await start();
  const first = gateway.current().pid;
  const socket = await webSocket(gateway);
  const second = await gateway.handOver();
  expect(second).not.toBe(first);
  expect([await ask(gateway), await gateway.ready(), await echoes(socket, "still here")]).toEqual([200, 200, true]);
  const third = await gateway.handOver();
  await eventually("the second one, which nobody used, has ended", 5_000, () => !pids(gateway).includes(second));
  expect(await echoes(socket, "and here")).toBe(true);
  expect(pids(gateway)).toEqual([first, third].toSorted((a, b) => a - b));
  socket.close();
  await once(socket, "close");
  expect(await ask(gateway)).toBe(200);
});

function pids(gateway: GatewayProcess): number[] {
  return gateway
    .members()
    .map(({ pid }) => pid)
    .toSorted((a, b) => a - b);
}
