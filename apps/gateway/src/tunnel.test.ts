import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { AddressInfo, Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import type { Route } from "@gitspaces/contracts";
import { keyFingerprint, serverTls, type TlsIdentity } from "@gitspaces/daemon/certificates";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Routes } from "./routes.ts";
import { makeAuthority } from "./testing/certificates.ts";
import { DIAL_MS } from "./tunnel.ts";
import { Upstreams } from "./upstreams.ts";

const ADA = "hello-k3v9x2";
const authority = makeAuthority("test");
const agentOne = authority.issue("vm", "vm-1");
const OK = "HTTP/1.1 200 Connection Established\r\n\r\n";
const never = new AbortController().signal;

let opened: AsyncDisposableStack;
beforeEach(() => void (opened = new AsyncDisposableStack()));
afterEach(async () => await opened.disposeAsync());

type Met = { socket: TLSSocket; wasResumed: boolean; shown: string; head: string };

/** An agent that answers each CONNECT with `says`, or with nothing. It remembers whom it met. */
async function agentAt(identity: TlsIdentity, says: string | null = OK, port = 0) {
  const met: Met[] = [];
  const server = createServer(serverTls(identity), (socket) => {
    const one: Met = {
      socket,
      wasResumed: socket.isSessionReused(),
      shown: socket.getPeerX509Certificate()?.fingerprint256 ?? "",
      head: "",
    };
    met.push(one);
    socket.on("error", () => socket.destroy());
    socket.once("data", (chunk: Buffer) => {
      one.head = chunk.toString();
      if (says !== null) socket.write(says);
      socket.on("data", (more) => socket.write(more));
    });
  });
  server.on("tlsClientError", () => undefined);
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  opened.defer(() => closed(server, met));
  return { server, met, port: (server.address() as AddressInfo).port };
}

async function closed(server: Server, met: readonly Met[]): Promise<void> {
  for (const { socket } of met) socket.destroy();
  if (server.listening) await new Promise((resolve) => server.close(resolve));
}

/** A gateway's routes and upstreams, with one route to this port. */
function gatewayTo(port: number, vm: Partial<Route> = {}) {
  const routes = new Routes();
  const shown = { identity: authority.issue("gateway", "gateway") };
  const upstreams = new Upstreams(() => shown.identity);
  const route = (more: Partial<Route> = {}) => {
    const pin = keyFingerprint(agentOne.certificate);
    const place = { instanceId: "vm-1", address: "127.0.0.1", port, keyFingerprint: pin, ...vm };
    routes.apply({ change: "set", route: { gitspaceId: ADA, generation: 1, ...place, ...more } });
    const routed = routes.find(ADA);
    if (routed === undefined) throw new Error("the route is not there");
    return routed;
  };
  return { routes, shown, upstreams, route };
}

const echoed = async (socket: Socket, text: string): Promise<string> => {
  socket.write(text);
  const [chunk] = (await once(socket, "data")) as [Buffer];
  return chunk.toString();
};

test("a socket leads to the port, told with headers, and what the server says first is not lost", async () => {
  const agent = await agentAt(agentOne, `${OK}SSH-2.0-early\r\n`);
  const { upstreams, route } = gatewayTo(agent.port);
  const socket = await upstreams.dial(route(), 8022, never, { "gitspaces-ssh-keys": "a2V5" });
  const [early] = (await once(socket, "data")) as [Buffer];
  expect(early.toString()).toBe("SSH-2.0-early\r\n");
  expect(await echoed(socket, "hello")).toBe("hello");
  expect(agent.met[0]?.head).toBe(
    "CONNECT localhost:8022 HTTP/1.1\r\nHost: localhost:8022\r\ngitspaces-ssh-keys: a2V5\r\n\r\n",
  );
  await expect(upstreams.dial(route(), 1, never, { a: "b\r\nc: d" })).rejects.toThrow("Invalid character");
});

test.each([
  ["HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "vm_unreachable", "Nothing listens on port 3000"],
  ["HTTP/1.1 403 Forbidden\r\n\r\n", "denied", "does not open port 3000"],
  ["HTTP/1.1 200\r\n\r\n", "vm_unreachable", "answered 0"],
  ["HTTP/1.1 101 Switching Protocols\r\n\r\n", "vm_unreachable", "answered 101"],
  ["x".repeat(9_000), "vm_unreachable", "answered 0"],
])("an agent that answers %.24j gives no socket", async (says, code, words) => {
  const agent = await agentAt(agentOne, says);
  const { upstreams, route } = gatewayTo(agent.port);
  await expect(upstreams.dial(route(), 3000, never)).rejects.toMatchObject({
    failure: { code, message: expect.stringContaining(words) as string },
  });
  await expect.poll(() => agent.met[0]?.socket.destroyed).toBe(true);
});

test("I5 E5: another VM at the address of the one on record is refused, also to who holds a session of that", async () => {
  const first = await agentAt(agentOne);
  const { upstreams, route } = gatewayTo(first.port);
  const routed = route();
  for (const resumed of [false, true]) {
    const socket = await upstreams.dial(routed, 3000, never);
    expect(await echoed(socket, "mine")).toBe("mine");
    expect(first.met.at(-1)?.wasResumed).toBe(resumed);
    socket.destroy();
  }
  await closed(first.server, first.met);
  for (const other of [authority.issue("vm", "vm-2"), authority.issue("vm", "vm-1")]) {
    const second = await agentAt(other, OK, first.port);
    const twice = [upstreams.dial(routed, 3000, never), upstreams.dial(routed, 3001, never)];
    for (const { reason } of (await Promise.allSettled(twice)) as PromiseRejectedResult[])
      expect(reason).toMatchObject({ failure: { code: "vm_unreachable" } });
    expect(second.met.map(({ head }) => head).join("")).toBe("");
    await closed(second.server, second.met);
  }
  const back = await agentAt(agentOne, OK, first.port);
  expect(await echoed(await upstreams.dial(routed, 3000, never), "again")).toBe("again");
  expect(back.met[0]?.wasResumed).toBe(false);
});

test("I5: sockets of a generation that is over are closed, idle ones too, and its sessions are not gone on from", async () => {
  const agent = await agentAt(agentOne);
  const { upstreams, route } = gatewayTo(agent.port);
  const old = route();
  const upstream = upstreams.at(old, 3000);
  expect(upstreams.at(old, 3000)).toBe(upstream);
  const sockets = [await upstream.dial(never), await upstream.dial(never)];
  const next = route({ generation: 2 });
  expect(sockets.map(({ destroyed }) => destroyed)).toEqual([true, true]);
  expect(upstreams.at(next, 3000)).not.toBe(upstream);
  await expect(upstream.dial(never)).rejects.toMatchObject({ failure: { code: "vm_unreachable" } });
  await upstreams.at(next, 3000).dial(never);
  expect(agent.met.map(({ wasResumed }) => wasResumed)).toEqual([false, true, false]);
});

test("I5: a route that ends in the middle of a dial leaves no socket behind", async () => {
  const agent = await agentAt(agentOne, null);
  const { upstreams, route, routes } = gatewayTo(agent.port);
  const dialling = upstreams.dial(route(), 3000, never);
  await expect.poll(() => agent.met[0]?.head).toContain("CONNECT");
  routes.apply({ change: "removed", gitspaceId: ADA, generation: 1 });
  await expect(dialling).rejects.toMatchObject({ failure: { code: "cancelled" } });
  await expect.poll(() => agent.met[0]?.socket.destroyed).toBe(true);
});

test("a renewed certificate is shown from the next dial on, and drops nothing that lives", async () => {
  const agent = await agentAt(agentOne);
  const { upstreams, route, shown } = gatewayTo(agent.port);
  const routed = route();
  const live = await upstreams.dial(routed, 3000, never);
  await echoed(live, "before");
  shown.identity = authority.issue("gateway", "gateway");
  const after = await upstreams.dial(routed, 3000, never);
  await echoed(after, "after");
  await upstreams.dial(routed, 3000, never);
  const [first, second, third] = agent.met;
  expect(second?.shown).not.toBe(first?.shown);
  expect([second?.wasResumed, third?.wasResumed, third?.shown]).toEqual([false, true, second?.shown]);
  expect(await echoed(live, "still")).toBe("still");
});

test("a frozen VM keeps a dial for five seconds, and one whose caller left not even so long", async () => {
  const agent = await agentAt(agentOne, null);
  const { upstreams, route } = gatewayTo(agent.port);
  const begun = performance.now();
  const gone = new AbortController();
  const left = upstreams.dial(route(), 3000, gone.signal);
  const waiting = upstreams.dial(route(), 3000, never);
  setTimeout(() => gone.abort(), 100);
  await expect(left).rejects.toMatchObject({ failure: { code: "cancelled" } });
  expect(performance.now() - begun).toBeLessThan(DIAL_MS / 2);
  await expect(waiting).rejects.toMatchObject({ failure: { code: "timeout" } });
  expect(performance.now() - begun).toBeGreaterThan(DIAL_MS - 100);
  await expect.poll(() => agent.met.every(({ socket }) => socket.destroyed)).toBe(true);
});

/** Its port may have been another connection's, which the system has not forgotten yet. */
const ESTABLISHED = "01";

/** The timer that the system keeps for a connection (proc(5), net/tcp): 2 is the one that asks whether the other side lives. */
function timerOf({ localPort = 0 }: Socket): string | undefined {
  const hex = localPort.toString(16).toUpperCase().padStart(4, "0");
  const lines = readFileSync("/proc/net/tcp", "utf8").split("\n");
  const fields = lines
    .map((line) => line.trim().split(/\s+/))
    .find(([, local, , state]) => local?.endsWith(`:${hex}`) && state === ESTABLISHED);
  return fields?.[5]?.split(":")[0];
}

test("an idle connection is asked by the system whether its other side still lives", async () => {
  const agent = await agentAt(agentOne);
  const { upstreams, route } = gatewayTo(agent.port);
  const socket = await upstreams.dial(route(), 3000, never);
  await echoed(socket, "hello");
  await expect.poll(() => timerOf(socket)).toBe("02");
});
