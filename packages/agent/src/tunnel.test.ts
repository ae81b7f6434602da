// Tunnels: to the IDE, to the Gitspace's own ports, and to nothing else.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentVm, openSite, type Site, startVm } from "./testing/agent-process.ts";
import type { Caller } from "./testing/caller.ts";
import { loopbackPort } from "./tunnel.ts";

let site: Site;
let vm: AgentVm;
let gateway: Caller;
let inside: number;
let echo: ChildProcess;
let stranger: Server;

/** Answers with what it heard, once it has heard all of it; it stands for a server that a person runs in the VM. */
const ECHO = `require("net").createServer({ allowHalfOpen: true }, (socket) => {
  const heard = [];
  socket.on("data", (chunk) => heard.push(chunk)).on("end", () => socket.end(Buffer.concat(heard))).on("error", () => {});
}).listen(0, "127.0.0.1", function () { console.log(this.address().port); });`;

const UPGRADE = "GET /ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
const HELD = "GET /held HTTP/1.0\r\nhost: x\r\n\r\n";

beforeAll(async () => {
  site = await openSite();
  vm = await startVm(site);
  gateway = await vm.as("gateway");
  echo = spawn(process.execPath, ["-e", ECHO], {
    env: { GITSPACE_VM: vm.instanceId },
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  if (echo.stdout === null) throw new Error("no output");
  const [line] = (await once(createInterface({ input: echo.stdout }), "line")) as [string];
  inside = Number(line);
  stranger = createServer((_, response) => response.end("secret")).listen(0, "127.0.0.1");
  await once(stranger, "listening");
});
afterAll(async () => {
  stranger.close();
  await vm[Symbol.asyncDispose]();
  await site[Symbol.asyncDispose]();
});

async function tried(target: string): Promise<[number, unknown]> {
  const { status, socket, body } = await gateway.connect(target);
  if (status === 200) {
    socket.destroy();
    return [200, undefined];
  }
  return [status, (JSON.parse(body + (await text(socket))) as { code: string }).code];
}

async function ask(socket: Duplex, request: string): Promise<string> {
  socket.write(request);
  return await text(socket);
}

test("before any identity only the IDE is reached", async () => {
  await expect.poll(async () => (await gateway.call("GET", "/status")).body["ide"]).toBe("ready");
  expect(await tried("localhost:8089")).toEqual([200, undefined]);
  expect(await tried(`localhost:${inside}`)).toEqual([403, "denied"]);
  await vm.claim();
});

test("port 8089 is the IDE, and its environment holds nothing of the agent's", async () => {
  const { socket } = await gateway.connect("localhost:8089");
  const answer = await ask(socket, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
  expect(answer).toContain("200 OK");
  const { env, folder } = JSON.parse(answer.slice(answer.indexOf("{"), answer.lastIndexOf("}") + 1)) as {
    env: Record<string, string>;
    folder: string;
  };
  expect(Object.keys(env).filter((name) => name.startsWith("GITSPACES_") || name.startsWith("VITEST"))).toEqual([]);
  expect(env).toMatchObject({ HOME: vm.home, SHELL: "/bin/bash" });
  expect(folder.startsWith(vm.home)).toBe(true);
});

test("an upgrade goes through to the IDE as it is", async () => {
  const { socket } = await gateway.connect("localhost:8089");
  socket.write(UPGRADE);
  const [head] = (await once(socket, "data")) as [Buffer];
  expect(head.toString()).toContain("101 Switching Protocols");
  socket.write("\u0000bytes\u0001");
  const [back] = (await once(socket, "data")) as [Buffer];
  expect(back.toString()).toBe("\u0000bytes\u0001");
  socket.destroy();
});

test("a port of the Gitspace's own process is reached, and one side's end is not the other's", async () => {
  const { status, socket } = await gateway.connect(`localhost:${inside}`);
  expect(status).toBe(200);
  const big = "x".repeat(1_000_000);
  socket.end(big);
  expect(await text(socket)).toBe(big);
});

test("what is not the Gitspace's own is refused", async () => {
  const { port } = stranger.address() as AddressInfo;
  expect(await tried(`localhost:${port}`)).toEqual([403, "denied"]);
  expect(await tried(`localhost:${vm.port}`)).toEqual([403, "denied"]);
  expect(await tried("example.com:80")).toEqual([403, "denied"]);
  expect(await tried("127.0.0.2:80")).toEqual([403, "denied"]);
  expect(await tried("169.254.169.254:80")).toEqual([403, "denied"]);
});

test("a port where nothing listens is told so", async () => {
  const server = createTcpServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  expect(await tried(`127.0.0.1:${port}`)).toEqual([502, "vm_unreachable"]);
});

test("when one side of a tunnel is gone, so is the other", async () => {
  const held = async () => {
    const answer = await ask((await gateway.connect("localhost:8089")).socket, HELD);
    return Number(answer.split("\r\n\r\n")[1]);
  };
  const { socket } = await gateway.connect("localhost:8089");
  socket.on("error", () => {}).write(UPGRADE);
  await once(socket, "data");
  expect(await held()).toBe(1);
  socket.destroy();
  await expect.poll(held).toBe(0);

  const another = await gateway.connect("localhost:8089");
  another.socket.on("error", () => {}).write(UPGRADE);
  await once(another.socket, "data");
  const last = await gateway.connect("localhost:8089");
  last.socket.on("error", () => {}).write("GET /end HTTP/1.1\r\nhost: x\r\n\r\n");
  await once(another.socket.resume(), "close");
  expect(another.socket.destroyed).toBe(true);
});

test("an IDE that dies is started again", async () => {
  await expect.poll(async () => (await gateway.call("GET", "/status")).body["ide"], { timeout: 5_000 }).toBe("ready");
  expect(await tried("localhost:8089")).toEqual([200, undefined]);
});

test("the ports that listen are told, without the agent's and strangers'", async () => {
  const { answer } = await gateway.perform(await site.controlPlane.task("gitspace.status", {}));
  expect(answer).toMatchObject({ outcome: "ok", result: { ports: [inside] } });
});

test("an agent that leaves takes every process of its VM along", async () => {
  writeFileSync(join(vm.home, "still-here"), "");
  await vm.end("SIGTERM");
  if (echo.exitCode === null && echo.signalCode === null) await once(echo, "exit");
  expect(echo.signalCode).toBe("SIGTERM");
});

test.each([
  ["localhost:3000", 3000],
  ["127.0.0.1:1", 1],
  ["[::1]:65535", 65_535],
  ["localhost:65536", undefined],
  ["localhost:0", undefined],
  ["localhost:03000", undefined],
  ["localhost", undefined],
  ["localhost.example.com:80", undefined],
  ["127.0.0.1.example.com:80", undefined],
  ["0.0.0.0:80", undefined],
  ["user@localhost:80", undefined],
  ["2130706433:80", undefined],
])("the target %s leads to %s", (target, port) => {
  expect(loopbackPort(target)).toBe(port);
});
