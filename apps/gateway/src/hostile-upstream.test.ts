// E16: a server in a Gitspace may say anything at all. Whoever asked it gets an answer or an end, and nobody else notices.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readAnswer } from "./testing/raw-http.ts";
import { ADA, DOMAIN, openStreet, type Street, until } from "./testing/street.ts";

const own = `${ADA}.${DOMAIN}`;
const hostile = `3000--${own}`;
const OK = "HTTP/1.1 200 OK\r\n";
/** Far more than anybody would buffer for a client that does not read. */
const FLOOD = Buffer.alloc(64 * 1024, "x");

let street: Street;
let say: (socket: Socket) => void;
const inside = new Set<Socket>();
let heard = 0;
beforeAll(async () => {
  street = await openStreet();
  const server = createServer((socket) => {
    inside.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => inside.delete(socket));
    socket.once("data", () => {
      heard++;
      say(socket);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  street.agent.ports.set(3000, (server.address() as AddressInfo).port);
  await street.controlPlane.publish({ gitspaceId: ADA });
  await street.setRoute();
  await until(() => street.gateway.house.access.find(ADA) !== undefined, "the document came");
  await until(() => street.gateway.house.routes.find(ADA) !== undefined, "the route came");
});
afterAll(async () => street[Symbol.asyncDispose]());

/** Asks the hostile port; gives the socket, still open. */
async function ask(...lines: string[]): Promise<Socket> {
  const at = `${hostile}:${street.gateway.address.port}`;
  const cookie = await street.cookie("ada", hostile);
  const socket = connect(street.gateway.address.port, "127.0.0.1").on("error", () => {});
  socket.write(
    ["GET / HTTP/1.1", `Host: ${at}`, `Cookie: ${cookie}`, `Origin: http://${at}`, ...lines, "", ""].join("\r\n"),
  );
  return socket;
}

/** The gateway serves others as before, and nothing of the hostile visit is left. */
async function nobodyNotices(socket: Socket): Promise<void> {
  const cookie = await street.cookie("ada");
  const answer = await street.ask(`GET / HTTP/1.1\r\nHost: HOST\r\nCookie: ${cookie}\r\n\r\n`);
  expect([answer.status, answer.body]).toEqual([200, "inside"]);
  socket.destroy();
  await until(() => inside.size === 0, "no connection to the hostile server is left");
}

/** Says `head`, then `part` again and again for as long as somebody takes it. */
function repeat(socket: Socket, part: string | Buffer, head = ""): void {
  socket.write(head);
  const more = (): void => {
    while (!socket.destroyed && socket.writable && socket.write(part));
  };
  socket.on("drain", more);
  more();
}

const upgrade = ["Connection: Upgrade", "Upgrade: websocket"];

test.each<[string, (socket: Socket) => void, string[]]>([
  ["garbage instead of an answer", (socket) => socket.write("\0\u00ff\r\n\r\n garbage\r\n\r\n"), []],
  [
    "an upgrade that nobody asked for, then garbage",
    (socket) =>
      socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n\0\0garbage"),
    [],
  ],
  ["headers without an end", (socket) => repeat(socket, "X-More: and more and more and more\r\n", OK), []],
  ["one header without an end", (socket) => repeat(socket, FLOOD, `${OK}X: `), []],
  [
    "headers without an end, to an upgrade",
    (socket) => repeat(socket, "X-More: and more\r\n", "HTTP/1.1 101 Sure\r\n"),
    upgrade,
  ],
  ["two lengths that differ", (socket) => socket.write(`${OK}Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc`), []],
  [
    "a length and chunks",
    (socket) => socket.write(`${OK}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n`),
    [],
  ],
  ["a reset instead of an answer", (socket) => void socket.resetAndDestroy(), []],
])("E16: %s is told as 502", async (_name, hostility, lines) => {
  say = hostility;
  const socket = await ask(...lines, "Accept: application/json");
  const answer = await readAnswer(socket);
  expect([answer.status, answer.body.includes("vm_unreachable")]).toEqual([502, true]);
  await nobodyNotices(socket);
});

test.each<[string, (socket: Socket) => void]>([
  [
    "a reset in the middle of a body",
    (socket) =>
      void socket.write(
        `${OK}Content-Length: 100\r\n\r\nhalf`,
        () => void setTimeout(() => socket.resetAndDestroy(), 30),
      ),
  ],
  ["a chunk that is none", (socket) => socket.write(`${OK}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nZZ\r\n`)],
])("E16: %s cuts the client off", async (_name, hostility) => {
  say = hostility;
  const socket = await ask();
  const closed = once(socket, "close", { signal: AbortSignal.timeout(10_000) });
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  await closed;
  expect(text).not.toMatch(/\r\n0\r\n\r\n$/);
  await nobodyNotices(socket);
});

test("E16 I13: a chunk without an end, for a client that does not read, is held back and not kept in memory", async () => {
  let written = 0;
  say = (socket) => {
    socket.write(`${OK}Transfer-Encoding: chunked\r\n\r\nffffffff\r\n`);
    repeat(socket, FLOOD);
    const count = setInterval(() => (written = socket.bytesWritten), 20);
    socket.once("close", () => clearInterval(count));
  };
  const socket = await ask();
  socket.pause();
  let before = -1;
  await until(async () => {
    const isStill = written > 0 && written === before;
    before = written;
    await sleep(150);
    return isStill;
  }, "the server is held back");
  // What is on its way stands in the buffers of five sockets.
  expect(written).toBeLessThan(64 * 1024 * 1024);
  await nobodyNotices(socket);
});

test("E16: interim answers without an end, and answers byte by byte, end when the client leaves", async () => {
  for (const drip of ["HTTP/1.1 102 Processing\r\n\r\n", "H"]) {
    say = (socket) => {
      const dripping = setInterval(() => socket.write(drip), 5);
      socket.once("close", () => clearInterval(dripping));
    };
    const before = heard;
    const socket = await ask();
    await until(() => heard > before, "the server was asked");
    await sleep(50);
    await nobodyNotices(socket);
    expect(inside.size).toBe(0);
  }
});

test("I9 E16: a server in a Gitspace sets no cookie for its siblings and none of the gateway's names", async () => {
  const { session, nonce } = street.gateway.house.names;
  const cookies = [
    `a=1; Domain=.${DOMAIN}`,
    `b=2; Domain=${DOMAIN}`,
    `${session}=x; Path=/`,
    `__Host-${session}=x; Path=/; Secure`,
    `${nonce}=x`,
    "mine=1; Path=/",
  ];
  say = (socket) => {
    const head = cookies.map((cookie) => `Set-Cookie: ${cookie}\r\n`).join("");
    socket.end(`${OK}${head}Content-Length: 2\r\n\r\nok`);
  };
  const socket = await ask();
  const answer = await readAnswer(socket);
  const set = answer.head.split("\r\n").filter((line) => /^set-cookie:/i.test(line));
  expect(set.filter((line) => /domain=/i.test(line) || line.includes(session) || line.includes(nonce))).toEqual([]);
  expect(set.join()).toContain("mine=1");
  await nobodyNotices(socket);
});
