// I5, E5: an address passes from VM to VM while the gateway holds kept-alive sockets, TLS tickets and old routes to it.
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { keyFingerprint } from "@gitspaces/daemon/certificates";
import { expect, test } from "vitest";
import { startAgent } from "../../apps/gateway/src/testing/agent.ts";
import { ADA, BOB, DOMAIN, openStreet, type Street, until } from "../../apps/gateway/src/testing/street.ts";

const SWAPS = 1_000;
const VMS = 6;
const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));

/** Mulberry32: numbers in [0, 1) that a seed repeats. */
function numbers(from: number): () => number {
  let state = from;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Vm = { gitspaceId: string; instanceId: string; keyFingerprint: string; port: number };

/** A VM with a sentinel in it: it answers with the Gitspace it is in, and tells of each request that was for another one. */
async function openVm(opened: AsyncDisposableStack, street: Street, gitspaceId: string, strays: string[]): Promise<Vm> {
  const instanceId = `vm-${gitspaceId}-${Math.random().toString(36).slice(2, 8)}`;
  const identity = street.authority.issue("vm", instanceId);
  const sentinel = createServer((request: IncomingMessage, response: ServerResponse) => {
    if (!request.headers.host?.startsWith(`${gitspaceId}.`)) strays.push(`${request.headers.host} at ${gitspaceId}`);
    response.end(`in ${gitspaceId}`);
  }).listen(0, "127.0.0.1");
  await once(sentinel, "listening");
  opened.defer(() => {
    sentinel.closeAllConnections();
    sentinel.close();
  });
  const agent = opened.use(await startAgent(identity));
  agent.ports.set(8089, (sentinel.address() as AddressInfo).port);
  return { gitspaceId, instanceId, keyFingerprint: keyFingerprint(identity.certificate), port: agent.port };
}

/** One address that leads to whichever VM has it now. What was connected before stays where it was, until it is cut. */
async function openAddress(opened: AsyncDisposableStack) {
  const sockets = new Set<Socket>();
  const address = { port: 0, at: 0, cut: () => sockets.forEach((socket) => socket.destroy()) };
  const server = createTcpServer((client) => {
    const vm = connect(address.at, "127.0.0.1");
    for (const [one, other] of [
      [client, vm],
      [vm, client],
    ] as const) {
      sockets.add(one);
      one.on("error", () => {});
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  opened.defer(() => {
    address.cut();
    server.close();
  });
  address.port = (server.address() as AddressInfo).port;
  return address;
}

test(`I5 E5: 0 bytes reach the wrong Gitspace while an address changes hands ${SWAPS} times (seed ${seed})`, {
  timeout: 240_000,
}, async () => {
  await using opened = new AsyncDisposableStack();
  const random = numbers(seed);
  const street = opened.use(await openStreet());
  const strays: string[] = [];
  const owners = [ADA, BOB];
  const vms = new Map<string, Vm[]>();
  const cookies = new Map<string, string>();
  for (const id of owners) {
    await street.controlPlane.publish({ gitspaceId: id });
    await until(() => street.gateway.house.access.find(id) !== undefined, "the document came");
    cookies.set(id, await street.cookie("ada", `${id}.${DOMAIN}`));
    vms.set(id, await Promise.all(Array.from({ length: VMS }, () => openVm(opened, street, id, strays))));
  }
  const address = await openAddress(opened);
  const wrong: string[] = [];
  const counts = { reached: 0, refused: 0 };
  const ask = async (id: string): Promise<boolean> => {
    const head = `GET / HTTP/1.1\r\nHost: HOST\r\nAccept: application/json\r\nCookie: ${cookies.get(id)}\r\n\r\n`;
    const { status, body } = await street.ask(head, `${id}.${DOMAIN}`);
    const isThere = body === `in ${id}`;
    if (!isThere && (status < 400 || body.startsWith("in "))) wrong.push(`${id}: ${status} ${body.slice(0, 60)}`);
    counts[isThere ? "reached" : "refused"]++;
    return isThere;
  };
  const remove = async (id: string, generation: number) =>
    await street.change({ change: "removed", gitspaceId: id, generation });

  for (let swap = 1; swap <= SWAPS; swap++) {
    const [next = "", last = ""] = swap % 2 === 0 ? owners : owners.toReversed();
    const vm = vms.get(next)?.[(swap >> 1) % VMS] as Vm;
    // The new VM stands at the address before the gateway hears of anything.
    address.at = vm.port;
    if (random() < 0.5) address.cut();
    const { instanceId, keyFingerprint: key } = vm;
    const published = street.setRoute({
      gitspaceId: next,
      generation: swap,
      instanceId,
      keyFingerprint: key,
      port: address.port,
    });
    const removed = random() < 0.5 ? remove(last, swap - 1) : undefined;
    const asked = [ask(last), ask(next), random() < 0.5 ? sleep(1).then(() => ask(last)) : ask(last)];
    await Promise.all([...asked, published, removed]);
    await until(async () => await ask(next), `${next} is reached at its new place`);
    if (removed === undefined) await remove(last, swap - 1);
  }
  expect(wrong).toEqual([]);
  expect(strays).toEqual([]);
  // Both ways were really met: those who were let through, and those who were not.
  expect(counts.reached).toBeGreaterThan(SWAPS);
  expect(counts.refused).toBeGreaterThan(SWAPS / 4);
});
