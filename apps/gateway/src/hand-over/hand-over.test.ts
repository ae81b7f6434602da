import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { Agent, createServer, get } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { eventually, type GatewayProcess, startGatewayProcess } from "../testing/gateway-process.ts";
import { ADA, DOMAIN, openStreet, type Street } from "../testing/street.ts";

/** Processes are started, some of them while others still are. */
const TIMES = { timeout: 40_000 };
let opened: AsyncDisposableStack;
let street: Street;
let cookie: string;
beforeAll(async () => {
  opened = new AsyncDisposableStack();
  street = opened.use(await openStreet());
  await street.controlPlane.publish({ gitspaceId: ADA });
  await street.setRoute();
  cookie = await street.cookie("ada");
  const echo = createServer();
  const sockets = new WebSocketServer({ server: echo });
  sockets.on("connection", (socket) => socket.on("message", (data: Buffer) => socket.send(data.toString())));
  echo.listen(0, "127.0.0.1");
  await once(echo, "listening");
  street.agent.ports.set(4_000, (echo.address() as AddressInfo).port);
  opened.defer(() => {
    for (const socket of sockets.clients) socket.terminate();
    echo.close();
  });
});
afterAll(async () => opened.disposeAsync());

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

/** As a person does it; gives the exit code and what was said. */
async function reload(data: string): Promise<[number | null, string]> {
  const program = new URL("../../../../bin/gitspaces-gateway", import.meta.url).pathname;
  const child = spawn(program, ["reload", "--data", data], { stdio: ["ignore", "pipe", "pipe"] });
  const ended = once(child, "close") as Promise<[number | null]>;
  const said = await Promise.all([text(child.stdout), text(child.stderr)]);
  return [(await ended)[0], said.join("")];
}

async function askOn(agent: Agent, { port }: GatewayProcess): Promise<[number, string | undefined]> {
  const headers = { host: `${ADA}.${DOMAIN}:${port}`, cookie };
  const [answer] = await once(get({ host: "127.0.0.1", port, headers, agent }), "response");
  await text(answer);
  return [answer.statusCode, answer.headers.connection];
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
  const heard = once(socket, "message", { signal: AbortSignal.timeout(10_000) });
  socket.send(word);
  return String((await heard)[0]) === word;
}

test(
  "after a hand-over the new process serves, the old one serves on who it has, and ends when the last one leaves",
  TIMES,
  async () => {
    const gateway = await start();
    const first = gateway.current().pid;
    const socket = await webSocket(gateway);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    expect(await askOn(agent, gateway)).toEqual([200, "keep-alive"]);
    const second = await gateway.handOver();
    expect(second).not.toBe(first);
    // The old one's answer is the last one on its connection, and none is refused.
    expect([await askOn(agent, gateway), await askOn(agent, gateway)]).toEqual([
      [200, "close"],
      [200, "keep-alive"],
    ]);
    agent.destroy();
    expect([await ask(gateway), await gateway.ready(), await echoes(socket, "still here")]).toEqual([200, 200, true]);
    const told = await reload(gateway.data);
    const third = gateway.current().pid;
    expect(told).toEqual([0, expect.stringMatching(`^The gateway is pid ${third} now`) as string]);
    await eventually("the second one, which nobody used, has ended", 5_000, () => !pids(gateway).includes(second));
    expect(await echoes(socket, "and here")).toBe(true);
    expect(pids(gateway)).toEqual([first, third].toSorted((a, b) => a - b));
    socket.close();
    await once(socket, "close");
    expect(await ask(gateway)).toBe(200);
  },
);

test("with more old processes than allowed the oldest one's WebSockets are closed with 1012", TIMES, async () => {
  const gateway = await start({ OLD_PROCESSES: "1" });
  const oldest = await webSocket(gateway);
  const closed = once(oldest, "close");
  await gateway.handOver();
  const younger = await webSocket(gateway);
  await gateway.handOver();
  expect((await closed)[0]).toBe(1_012);
  expect(await echoes(younger, "on")).toBe(true);
});

test(
  "a plain stop is told first; requests end, event streams end whole, WebSockets are closed with 1012, in every process",
  TIMES,
  async () => {
    const gateway = await start({ UNREADY_MS: "600", STOP_GRACE_MS: "5000" });
    const old = await webSocket(gateway);
    await gateway.handOver();
    const young = await webSocket(gateway);
    street.inside.answer = (asked, response) => {
      response.writeHead(200, { "content-type": asked.url === "/events" ? "text/event-stream" : "text/plain" });
      response.write("begun\n");
      if (asked.url !== "/events") setTimeout(() => response.end("ended\n"), 1_500);
    };
    const read = async (path: string, accept: string): Promise<string> => {
      const headers = { host: `${ADA}.${DOMAIN}:${gateway.port}`, cookie, accept };
      const asked = get({ host: "127.0.0.1", port: gateway.port, path, headers, agent: false });
      const [answer] = await once(asked, "response");
      return text(answer);
    };
    const events = read("/events", "text/event-stream");
    const slow = read("/slow", "*/*");
    await eventually("both are asked", 3_000, () => street.inside.requests.length >= 3);
    const closes = [once(old, "close"), once(young, "close")];
    const ended = once(gateway.child, "exit");
    gateway.child.kill("SIGTERM");
    await eventually("it says that it is not ready", 500, async () => (await gateway.ready()) === 503);
    expect(await ask(gateway)).toBe(200);
    expect([await events, await slow]).toEqual(["begun\n", "begun\nended\n"]);
    expect((await Promise.all(closes)).map(([code]) => code as number)).toEqual([1_012, 1_012]);
    expect(await ended).toEqual([0, null]);
    expect(gateway.members()).toEqual([]);
  },
);

test(
  "systemd hears of each step, of the new main process, and of a successor that can not start while the old one serves on",
  TIMES,
  async () => {
    const said = join(street.folder, "said");
    const programs = join(street.folder, "programs");
    mkdirSync(programs);
    writeFileSync(join(programs, "systemd-notify"), `#!/bin/sh\necho "$@" >> ${said}\n`, { mode: 0o755 });
    const path = `${programs}:${process.env["PATH"]}`;
    const gateway = await start({ NOTIFY_SOCKET: "/run/systemd/notify", PATH: path });
    const first = gateway.current().pid;
    const second = await gateway.handOver();
    await once(gateway.child, "exit");
    expect(await ask(gateway)).toBe(200);
    writeFileSync(join(gateway.data, "session"), "no key");
    const [code, words] = await reload(gateway.data);
    expect([code, words]).toEqual([
      1,
      expect.stringMatching(`^The gateway \\(pid ${second}\\) serves on: .* 64 hex`) as string,
    ]);
    expect([await ask(gateway), gateway.current().pid]).toEqual([200, second]);
    process.kill(second, "SIGTERM");
    await eventually("all have ended", 5_000, () => gateway.members().length === 0);
    const reloading = expect.stringMatching(/^RELOADING=1 MONOTONIC_USEC=\d+$/) as string;
    expect(readFileSync(said, "utf8").trim().split("\n")).toEqual([
      `READY=1 MAINPID=${first} STATUS=serving`,
      reloading,
      `READY=1 MAINPID=${second} STATUS=serving`,
      reloading,
      expect.stringMatching(`^READY=1 MAINPID=${second} STATUS=serving; the hand-over failed: `) as string,
      "STOPPING=1",
    ]);
  },
);

test(
  "without Redis a successor is not ready in time and is killed; known routes go on in the old process",
  TIMES,
  async () => {
    const gateway = await start({ HANDOVER_READY_MS: "2500" });
    const socket = await webSocket(gateway);
    await street.redis.stop();
    await expect(gateway.handOver()).rejects.toThrow(/did not serve within 2.5 s/);
    expect([await ask(gateway), await echoes(socket, "on"), gateway.members().length]).toEqual([200, true, 1]);
  },
);

function pids(gateway: GatewayProcess): number[] {
  return gateway
    .members()
    .map(({ pid }) => pid)
    .toSorted((a, b) => a - b);
}
