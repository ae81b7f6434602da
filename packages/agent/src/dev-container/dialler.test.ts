// Ports of a real container: dialled over IPv4 and IPv6, half open, silent, gone.
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { childrenOf } from "../testing/children.ts";
import { type TestContainer, testContainer } from "../testing/test-container.ts";
import { containerPorts, dialContainer, neighbours } from "./container-ports.ts";
import { type Dialler, openDialler } from "./dialler.ts";

let box: TestContainer;
let dialler: Dialler;

/** 4001 and 4002 (IPv6 only) answer with what they heard once they heard all of it; 4003 speaks first. */
const SERVERS = `const net = require("net");
const echo = () => net.createServer({ allowHalfOpen: true }, (socket) => {
  const heard = [];
  socket.on("data", (chunk) => heard.push(chunk)).on("end", () => socket.end(Buffer.concat(heard))).on("error", () => {});
});
echo().listen(4001, "127.0.0.1");
echo().on("error", () => {}).listen({ port: 4002, host: "::1" });
net.createServer((socket) => socket.on("error", () => {}).end("hello")).listen(4003, "0.0.0.0");
net.createServer(() => {}).listen(8089, "127.0.0.1");`;

beforeAll(async () => {
  box = await testContainer(["--sysctl", "net.ipv6.conf.all.disable_ipv6=0"]);
  await box.docker("exec", "--detach", box.container.id, "node", "-e", SERVERS);
  dialler = openDialler(box.container.pid);
});
afterAll(async () => {
  await dialler[Symbol.asyncDispose]();
  await box[Symbol.asyncDispose]();
});

test("what listens inside is told, without the IDE's own number", async () => {
  await expect.poll(() => containerPorts(box.container), { timeout: 10_000 }).toEqual([4001, 4002, 4003]);
});

test.each([4001, 4002])("port %d is reached, and one side's end is not the other's", async (port) => {
  const socket = await dialContainer(box.container, dialler, port);
  const big = "x".repeat(1_000_000);
  socket.end(big);
  expect(await text(socket)).toBe(big);
});

test("what a server says before it is asked arrives, whoever reads late", async () => {
  const sockets = await Promise.all(Array.from({ length: 20 }, async () => await dialler.dial(4003)));
  expect(await Promise.all(sockets.map(async (socket) => await text(socket)))).toEqual(sockets.map(() => "hello"));
});

test("a port where nothing listens is told at once", async () => {
  const silent = { failure: { code: "vm_unreachable", message: "Nothing listens on port 4999." } };
  await expect(dialContainer(box.container, dialler, 4999)).rejects.toMatchObject(silent);
  await expect(dialler.dial(4999)).rejects.toMatchObject(silent);
});

test("a dialler that dies is replaced, and has no privileges to lose", async () => {
  (await dialler.dial(4003)).destroy();
  const [first] = childrenOf(process.pid, "dialler-child.ts");
  expect(first?.uid).toBe(65_534);
  process.kill(first?.pid ?? 0, "SIGKILL");
  await expect.poll(() => childrenOf(process.pid, "dialler-child.ts")).toEqual([]);
  expect(await text(await dialler.dial(4003))).toBe("hello");
});

test("a port of a neighbour is reached by the neighbour's name", async () => {
  const network = `gs-inside-net-${process.pid}`;
  await box.docker("network", "create", network);
  try {
    await using other = await testContainer(["--network", network, "--network-alias", "db"]);
    await other.docker("exec", "--detach", other.container.id, "node", "-e", SERVERS);
    await using app = await testContainer(["--network", network]);
    await using inside = openDialler(app.container.pid);
    const container = { ...app.container, forwardPorts: ["db:4003", 3000] };
    expect(containerPorts(container)).toEqual([4003]);
    await expect
      .poll(async () => await text(await dialContainer(container, inside, 4003)).catch(() => ""))
      .toBe("hello");
    const silent = { failure: { code: "vm_unreachable" } };
    await expect(inside.dial(4003, "nobody")).rejects.toMatchObject(silent);
  } finally {
    await box.docker("network", "rm", network);
  }
});

test("when the container ends, its sockets end and its ports are unreachable", async () => {
  const gone = await testContainer();
  await gone.docker("exec", "--detach", gone.container.id, "node", "-e", SERVERS);
  await using inside = openDialler(gone.container.pid);
  await expect.poll(() => containerPorts(gone.container)).toContain(4001);
  const socket = await inside.dial(4001);
  socket.on("error", () => {}).resume();
  const ended = once(socket, "end");
  await gone[Symbol.asyncDispose]();
  await ended;
  await expect(inside.dial(4001)).rejects.toMatchObject({ failure: { code: "vm_unreachable" } });
  expect(() => openDialler(gone.container.pid)).toThrow("is not running");
});

test("the VM's own network is never dialled into", () => {
  expect(() => openDialler(process.pid)).toThrow("shares the network");
});

test.each([
  [["db:5432", 3000, "localhost:8080", "127.0.0.1:9000", "3001"], [[5432, "db"]]],
  [["db:0", "db:99999", "a b:1", "-x:1", "x:1:2"], []],
])("of forwardPorts %j the neighbours are %j", (entries, expected) => {
  expect([...neighbours(entries)]).toEqual(expected);
});
