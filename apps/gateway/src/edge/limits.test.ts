// Each limit, met by a real client of a real gateway: it is told by its name, and nobody else notices.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readAnswer } from "../testing/raw-http.ts";
import { ADA, BOB, DOMAIN, openStreet, type Street, until } from "../testing/street.ts";

const own = `${ADA}.${DOMAIN}`;
let street: Street;
let cookie: string;
const sockets = new Set<Socket>();
beforeAll(async () => {
  street = await openStreet({
    limitHeadBytes: 8_192,
    limitHeadSeconds: 1,
    limitKeepAliveSeconds: 1,
    limitBodyBytes: 100_000,
    limitBodyPauseSeconds: 1,
    limitUnreadSeconds: 2,
    limitConnectionsPerAddress: 40,
    limitVisitsPerUser: 10,
    limitVisitsPerGitspace: 15,
    limitUpgradesPendingPerGitspace: 3,
    limitRequestsPerSecondPerUser: 40,
    trustedProxies: "127.0.0.2",
  });
  for (const gitspaceId of [ADA, BOB]) {
    await street.controlPlane.publish({ gitspaceId });
    await street.setRoute({ gitspaceId });
    await until(() => street.gateway.house.access.find(gitspaceId) !== undefined, "the document came");
    await until(() => street.gateway.house.routes.find(gitspaceId) !== undefined, "the route came");
  }
  cookie = await street.cookie("ada");
});
afterAll(async () => street[Symbol.asyncDispose]());

function dial(localAddress = "127.0.0.1"): Socket {
  const { port } = street.gateway.address;
  const socket = connect({ port, host: "127.0.0.1", localAddress }).on("error", () => {});
  sockets.add(socket);
  socket.once("close", () => sockets.delete(socket));
  return socket;
}

/** Says the head of a request to Ada's Gitspace. */
function say(socket: Socket, start: string, ...lines: string[]): Socket {
  const at = `${own}:${street.gateway.address.port}`;
  const origin = `Origin: http://${at}`;
  const accept = "Accept: application/json";
  socket.write([start, `Host: ${at}`, `Cookie: ${cookie}`, origin, accept, ...lines, "", ""].join("\r\n"));
  return socket;
}

/** All clients leave, and the gateway has seen it. */
async function leave(): Promise<void> {
  for (const socket of sockets) socket.destroy();
  await until(() => street.gateway.house.live.size === 0, "nothing is live");
}

async function isServed(): Promise<void> {
  const socket = say(dial(), "GET / HTTP/1.1", "Connection: close");
  const { status, body } = await readAnswer(socket);
  expect([status, body]).toEqual([200, "inside"]);
}

const upgrade = ["Connection: Upgrade", "Upgrade: websocket"];

test("T12: a head that comes too slowly is cut off after its time, and told which", async () => {
  const socket = dial();
  socket.write(`GET / HTTP/1.1\r\nHost: ${own}\r\n`);
  const drip = setInterval(() => socket.write("X: y\r\n"), 100);
  const began = performance.now();
  const answer = await readAnswer(socket);
  clearInterval(drip);
  expect([answer.status, answer.body]).toEqual([408, expect.stringContaining("GITSPACES_LIMIT_HEAD_SECONDS")]);
  expect(performance.now() - began).toBeLessThan(4_000);
  await leave();
});

test("T12: a body that stops coming is cut off, and told which limit it met", async () => {
  const stopped = say(dial(), "POST / HTTP/1.1", "Content-Length: 100");
  street.inside.answer = (request, response) => void request.on("end", () => response.end("whole")).resume();
  stopped.write("some");
  const answer = await readAnswer(stopped);
  expect([answer.status, answer.body]).toEqual([408, expect.stringContaining("GITSPACES_LIMIT_BODY_PAUSE_SECONDS")]);
  street.inside.answer = (_request, response) => void response.end("inside");
  await isServed();
  await leave();
});

test("T12: an answer that is there and not read ends with its connection", async () => {
  street.inside.answer = (_request, response) => {
    const more = (): void => {
      while (!response.destroyed && response.write("x".repeat(65_536)));
    };
    response.on("drain", more);
    more();
  };
  const socket = say(dial(), "GET / HTTP/1.1");
  socket.pause();
  await until(() => street.gateway.house.live.size === 1, "it is live");
  const end = performance.now() + 12_000;
  while (street.gateway.house.live.size > 0 && performance.now() < end) await sleep(50);
  street.inside.answer = (_request, response) => void response.end("inside");
  expect(street.gateway.house.live.size).toBe(0);
  await leave();
});

test("T12: an idle connection is closed after its time", async () => {
  const socket = say(dial(), "GET / HTTP/1.1");
  expect((await readAnswer(socket)).status).toBe(200);
  socket.removeAllListeners("readable").resume();
  await once(socket, "close", { signal: AbortSignal.timeout(10_000) });
});

test("a head that is too long is 431, and told which limit it met", async () => {
  const answer = await readAnswer(say(dial(), "GET / HTTP/1.1", `X: ${"x".repeat(9_000)}`));
  expect([answer.status, answer.body]).toEqual([431, expect.stringContaining("GITSPACES_LIMIT_HEAD_BYTES")]);
});

test("a body that is too long is 413, by its length and by what came of it", async () => {
  const named = await readAnswer(say(dial(), "POST / HTTP/1.1", "Content-Length: 100001"));
  street.inside.answer = (request) => void request.resume();
  const chunked = say(dial(), "POST / HTTP/1.1", "Transfer-Encoding: chunked");
  chunked.write(`61a80\r\n${"x".repeat(400_000)}\r\n`);
  const measured = await readAnswer(chunked);
  street.inside.answer = (_request, response) => void response.end("inside");
  for (const { status, body } of [named, measured])
    expect([status, body]).toEqual([413, expect.stringContaining("GITSPACES_LIMIT_BODY_BYTES")]);
  await leave();
});

test("T12: connections from one address are limited; another address is served; a balancer's address is not counted", async () => {
  const crowd = Array.from({ length: 40 }, () => dial());
  await Promise.all(crowd.map((socket) => once(socket, "connect")));
  const answer = await readAnswer(say(dial(), "GET / HTTP/1.1"));
  expect([answer.status, answer.body]).toEqual([
    429,
    expect.stringContaining("GITSPACES_LIMIT_CONNECTIONS_PER_ADDRESS"),
  ]);
  expect((await readAnswer(say(dial("127.0.0.3"), "GET / HTTP/1.1"))).status).toBe(200);
  const balancer = Array.from({ length: 45 }, () => dial("127.0.0.2"));
  await Promise.all(balancer.map((socket) => once(socket, "connect")));
  expect((await readAnswer(say(dial("127.0.0.2"), "GET / HTTP/1.1"))).status).toBe(200);
  await leave();
  await until(async () => (await readAnswer(say(dial(), "GET / HTTP/1.1"))).status === 200, "there is room again");
});

test("what a trusted proxy says of its client reaches the Gitspace, and what anybody else says does not", async () => {
  const lines = ["X-Forwarded-For: 6.6.6.6, 7.7.7.7", "X-Forwarded-Proto: https", "X-Real-IP: 6.6.6.6"];
  const heard = async (localAddress: string) => {
    expect((await readAnswer(say(dial(localAddress), "GET / HTTP/1.1", ...lines))).status).toBe(200);
    const headers = street.inside.requests.at(-1)?.headers;
    return [headers?.["x-forwarded-for"], headers?.["x-forwarded-proto"], headers?.["x-real-ip"]];
  };
  expect(await heard("127.0.0.2")).toEqual(["7.7.7.7", "https", undefined]);
  expect(await heard("127.0.0.1")).toEqual(["127.0.0.1", "http", undefined]);
});

test("T14: what one person has open is limited, and somebody else at the same Gitspace is served", async () => {
  for (let each = 0; each < 10; each++) {
    expect((await readAnswer(say(dial(), "GET / HTTP/1.1", ...upgrade))).status).toBe(101);
  }
  const answer = await readAnswer(say(dial(), "GET / HTTP/1.1"));
  expect([answer.status, answer.header("retry-after"), answer.body]).toEqual([
    429,
    "1",
    expect.stringContaining("GITSPACES_LIMIT_VISITS_PER_USER"),
  ]);
  const host = `${ADA}.${DOMAIN}`;
  const stranger = await street.ask(
    `GET / HTTP/1.1\r\nHost: HOST\r\nCookie: ${await street.cookie("bob")}\r\n\r\n`,
    host,
  );
  expect(stranger.status).not.toBe(429);
  await leave();
  await isServed();
});

test("T14: upgrades that a Gitspace leaves unanswered are limited", async () => {
  street.inside.server.removeAllListeners("upgrade");
  street.inside.server.on("upgrade", () => {});
  const pending = Array.from({ length: 3 }, () => say(dial(), "GET / HTTP/1.1", ...upgrade));
  await until(() => street.gateway.house.live.size === 3, "three wait");
  const answer = await readAnswer(say(dial(), "GET / HTTP/1.1", ...upgrade));
  expect([answer.status, answer.body]).toEqual([
    429,
    expect.stringContaining("GITSPACES_LIMIT_UPGRADES_PENDING_PER_GITSPACE"),
  ]);
  expect(pending.every((socket) => !socket.destroyed)).toBe(true);
  await leave();
});

test("T14: who asks too fast is slowed down to the pace", async () => {
  const began = performance.now();
  const ask = async (): Promise<number[]> => {
    const statuses: number[] = [];
    for (let each = 0; each < 30; each++) {
      const answer = await readAnswer(say(dial(), "GET / HTTP/1.1", "Connection: close"));
      statuses.push(answer.status);
    }
    return statuses;
  };
  const statuses = (await Promise.all([ask(), ask(), ask(), ask()])).flat();
  expect(new Set(statuses)).toEqual(new Set([200]));
  // 120 requests, of which 80 may come at once.
  expect(performance.now() - began).toBeGreaterThan(800);
});

test("every limit that was met is a figure of its own", async () => {
  const { port } = street.gateway.adminAddress;
  const figures = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  for (const name of ["head_bytes", "head_seconds", "body_bytes", "visits_per_user", "connections_per_address"])
    expect(figures).toMatch(new RegExp(`^gitspaces_gateway_limit_${name}_total [1-9]`, "m"));
});

test("T12: a client that is gone before its upgrade is refused ends nothing but itself", async () => {
  const uncaught: unknown[] = [];
  const note = (error: unknown): void => void uncaught.push(error);
  process.on("uncaughtException", note);
  for (let count = 0; count < 20; count++) {
    const socket = say(dial(), "GET / HTTP/1.1", ...upgrade, "Content-Length: 100001");
    await once(socket, "connect");
    socket.resetAndDestroy();
  }
  await leave();
  await isServed();
  process.off("uncaughtException", note);
  expect(uncaught).toEqual([]);
});
