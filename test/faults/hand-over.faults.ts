// A thousand WebSockets and fifty SSH sessions that count, while the gateway hands over ten times: nobody is dropped, no byte is lost.
import { once } from "node:events";
import { createServer, get } from "node:http";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import ssh2 from "ssh2";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { makePrivateKey, publicLine } from "../../apps/gateway/src/ssh/private-key.ts";
import {
  eventually,
  type GatewayProcess,
  residentMb,
  startGatewayProcess,
} from "../../apps/gateway/src/testing/gateway-process.ts";
import { startSshd } from "../../apps/gateway/src/testing/sshd.ts";
import { ADA, DOMAIN, openStreet, type Street } from "../../apps/gateway/src/testing/street.ts";

const HAND_OVERS = 10;
const SOCKETS_EACH = 100;
const SESSIONS_EACH = 5;
const COUNT_EVERY_MS = 500;
const ECHO = 4_000;

let opened: AsyncDisposableStack;
let street: Street;
let gateway: GatewayProcess;
let cookie: string;
const privateKey = makePrivateKey();
beforeAll(async () => {
  opened = new AsyncDisposableStack();
  street = opened.use(await openStreet());
  const sshd = opened.use(startSshd());
  street.agent.onSsh = sshd.serve;
  await street.controlPlane.publish({ gitspaceId: ADA, sshKeys: [publicLine(privateKey)] });
  await street.setRoute();
  cookie = await street.cookie("ada", `${ECHO}--${ADA}.${DOMAIN}`);
  street.agent.ports.set(ECHO, await startEcho());
  gateway = opened.use(
    await startGatewayProcess(street, {
      OLD_PROCESSES: String(HAND_OVERS + 1),
      LIMIT_VISITS_PER_GITSPACE: "0",
      LIMIT_VISITS_PER_USER: "0",
    }),
  );
  await eventually("the Gitspace is served", 10_000, async () => (await ask()) === 200);
});
afterAll(async () => opened.disposeAsync());

/** Says every message again, whatever it is. */
async function startEcho(): Promise<number> {
  const server = createServer((_request, response) => void response.end("inside"));
  const sockets = new WebSocketServer({ server, perMessageDeflate: false });
  sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  opened.defer(() => {
    for (const socket of sockets.clients) socket.terminate();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const host = (): string => `${ECHO}--${ADA}.${DOMAIN}:${gateway.port}`;

async function ask(): Promise<number> {
  const headers = { host: host(), cookie };
  const [answer] = await once(get({ host: "127.0.0.1", port: gateway.port, headers, agent: false }), "response");
  answer.resume();
  return answer.statusCode;
}

/** Counts along one connection: each number is sent once, and has to come back once, in order. */
class Counter {
  readonly #send: (message: string) => void;
  readonly end: () => void;
  #sent = 0;
  #heard = 0;
  readonly wrong: string[] = [];

  constructor(send: (message: string) => void, end: () => void) {
    this.#send = send;
    this.end = end;
  }

  count(): void {
    this.#send(messageOf(this.#sent++));
  }

  hear(message: string): void {
    if (message !== messageOf(this.#heard++))
      this.wrong.push(`${message.slice(0, 10)} where ${this.#heard - 1} should be`);
  }

  get isWhole(): boolean {
    return this.#heard === this.#sent && this.#sent > 0;
  }
}

/** Not of one size, so that frames and reads do not end together. */
function messageOf(count: number): string {
  return `${count} ${"x".repeat(count % 300)}`;
}

async function openCounter(): Promise<Counter> {
  const headers = { host: host(), cookie, origin: `http://${host()}` };
  const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/`, { headers, perMessageDeflate: false });
  await once(socket, "open");
  const end = (): void => socket.removeAllListeners("close").terminate();
  const counter = new Counter((message) => socket.send(message), end);
  socket.on("message", (data: Buffer) => counter.hear(data.toString()));
  socket.once("close", (code) => counter.wrong.push(`closed with ${code}`));
  socket.on("error", (error) => counter.wrong.push(error.message));
  return counter;
}

/** A session in which `cat` says every line again. */
async function openSession(): Promise<Counter> {
  const person = new ssh2.Client();
  const address = { host: "127.0.0.1", port: gateway.sshPort };
  person.connect({ ...address, username: ADA, privateKey, readyTimeout: 30_000 });
  await once(person, "ready");
  const channel = await promisify(person.exec.bind(person) as Exec)("cat");
  const end = (): void => void person.removeAllListeners("close").end();
  const counter = new Counter((message) => channel.write(`${message}\n`), end);
  createInterface({ input: channel }).on("line", (line) => counter.hear(line));
  person.once("close", () => counter.wrong.push("the session was closed"));
  person.on("error", (error) => counter.wrong.push(error.message));
  return counter;
}
type Exec = (command: string, done: (error: Error | undefined, channel: ssh2.ClientChannel) => void) => void;

async function countsOn(counter: Counter): Promise<void> {
  counter.count();
  await eventually("the number came back", 3_000, () => counter.isWhole);
  expect(counter.wrong).toEqual([]);
  counter.end();
}

/** Asks by a new connection, again and again, until told to stop; gives what was not answered 200. */
function askAlways(): { stop: () => Promise<{ asked: number; failed: unknown[] }> } {
  const stop = new AbortController();
  const asking = (async () => {
    const failed: unknown[] = [];
    let asked = 0;
    for (; !stop.signal.aborted; await sleep(10)) {
      const status = await ask().catch((error: Error) => error.message);
      asked++;
      if (status !== 200) failed.push(status);
    }
    return { asked, failed };
  })();
  return {
    stop: async () => {
      stop.abort();
      return await asking;
    },
  };
}

test("I11 E15: connections spread over 10 hand-overs are neither dropped nor lose a byte, and nobody new is refused", async () => {
  const counters: Counter[] = [];
  const counting = setInterval(() => counters.forEach((counter) => counter.count()), COUNT_EVERY_MS);
  const asking = askAlways();
  const pids = new Set([gateway.current().pid]);
  for (let round = 0; round < HAND_OVERS; round++) {
    for (let batch = 0; batch < SOCKETS_EACH; batch += 20)
      counters.push(...(await Promise.all(Array.from({ length: 20 }, openCounter))));
    counters.push(...(await Promise.all(Array.from({ length: SESSIONS_EACH }, openSession))));
    pids.add(await gateway.handOver());
  }
  expect(pids.size).toBe(HAND_OVERS + 1);
  expect(counters).toHaveLength(HAND_OVERS * (SOCKETS_EACH + SESSIONS_EACH));
  const { asked, failed } = await asking.stop();
  expect(failed).toEqual([]);
  expect(asked).toBeGreaterThan(HAND_OVERS);
  clearInterval(counting);
  for (const counter of counters) counter.count();
  await eventually("every number came back", 10_000, () => counters.every((counter) => counter.isWhole));
  expect(counters.flatMap((counter) => counter.wrong)).toEqual([]);
  const members = gateway.members();
  expect(members).toHaveLength(HAND_OVERS + 1);
  for (const { pid } of members) expect(residentMb(pid)).toBeLessThan(300);
  for (const counter of counters) counter.end();
  await eventually("the old processes that nobody uses have ended", 10_000, () => gateway.members().length === 2);
});

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself meanwhile.
  }
}

/** Has it hand over and kills who comes; false when that one was already in its place. */
async function isKilledOnItsWay(before: number): Promise<boolean> {
  const isPlaceTaken = (): boolean => gateway.members().some(({ pid, role }) => role === "current" && pid !== before);
  const hasFailed = (): boolean => gateway.members().some(({ pid, failed }) => pid === before && failed !== undefined);
  let caught: number[] = [];
  process.kill(before, "SIGHUP");
  await eventually("a successor starts", 20_000, () => {
    caught = gateway.successors();
    return caught.length > 0 || isPlaceTaken();
  });
  for (const pid of caught) kill(pid);
  await eventually("the hand-over is over", 20_000, () => hasFailed() || isPlaceTaken());
  return hasFailed();
}

test("I11: a successor killed in the middle of a hand-over leaves everything as it was", async () => {
  const counter = await openCounter();
  let before = 0;
  // A successor that is faster than this look has taken the place: then its own is looked for.
  await eventually("a successor was killed on its way, and the old process says why it serves on", 60_000, async () => {
    before = gateway.current().pid;
    return await isKilledOnItsWay(before);
  });
  expect([await ask(), gateway.current().pid]).toEqual([200, before]);
  await countsOn(counter);
  expect(await gateway.handOver()).not.toBe(before);
});

test("I11: when the current process is killed what an old one holds stays, and another one takes the place", async () => {
  const counter = await openCounter();
  const killed = await gateway.handOver();
  process.kill(killed, "SIGKILL");
  const isAnother = (): boolean => gateway.members().some(({ pid, role }) => role === "current" && pid !== killed);
  await eventually("another one is current", 15_000, isAnother);
  expect(await ask()).toBe(200);
  await countsOn(counter);
});

test("I11: when the first process is killed the current one leaves the ports to whom the supervisor starts, and keeps whom it has", async () => {
  const counter = await openCounter();
  expect(gateway.current().pid).not.toBe(gateway.child.pid);
  gateway.child.kill("SIGKILL");
  gateway = opened.use(await startGatewayProcess(street, gateway.settings, gateway.data));
  expect([await ask(), gateway.current().pid]).toEqual([200, gateway.child.pid]);
  await countsOn(counter);
});

test("I5: an old process obeys a revocation within 2 s", async () => {
  const counter = await openCounter();
  await gateway.handOver();
  await street.controlPlane.revoke({ user: "ada", before: Date.now() + 1_000 });
  await eventually("the connection is ended", 2_000, () => counter.wrong.length > 0);
  expect(await ask()).not.toBe(200);
});
