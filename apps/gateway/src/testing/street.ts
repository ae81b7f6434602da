// A whole gateway on a street of real neighbours: Redis, an agent, a control plane, and an HTTP server in the Gitspace.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Generation, redisKeys, type Route, type RouteChange, ROUTES_CHANNEL } from "@gitspaces/contracts";
import { createLog } from "@gitspaces/daemon";
import { keyFingerprint, type TlsIdentity } from "@gitspaces/daemon/certificates";
import type { z } from "zod";
import { cookieNames } from "../cookies.ts";
import { GatewayConfig } from "../config.ts";
import { type Gateway, startGateway } from "../gateway.ts";
import { Sessions } from "../sessions.ts";
import { startAgent, type TestAgent } from "./agent.ts";
import { makeAuthority, type TestAuthority } from "./certificates.ts";
import { TestControlPlane, TOKEN } from "./control-plane.ts";
import { raw, type RawAnswer } from "./raw-http.ts";
import { startRedis, type TestRedis } from "./redis-server.ts";

export const ADA = "hello-k3v9x2";
export const BOB = "other-a1b2c3";
export const DOMAIN = "gitspaces.localhost";
const SESSION_KEY = "ab".repeat(32);

export type Street = {
  authority: TestAuthority;
  redis: TestRedis;
  controlPlane: TestControlPlane;
  agent: TestAgent;
  agentIdentity: TlsIdentity;
  gateway: Gateway;
  folder: string;
  inside: {
    server: Server;
    requests: IncomingMessage[];
    answer: (request: IncomingMessage, response: ServerResponse) => void;
  };
  setRoute(route?: Partial<Route>): Promise<void>;
  change(change: RouteChange): Promise<void>;
  /** A cookie header of a user's session on a host, made with the gateways' shared key. */
  cookie(user: string, host?: string, at?: number): Promise<string>;
  /** The request line and head as text, with the blank line at the end. */
  ask(head: string, host?: string): Promise<RawAnswer>;
  restart(): Promise<void>;
} & AsyncDisposable;

/** `settings` are the gateway's, over those that a street needs. */
export async function openStreet(settings: Record<string, unknown> = {}): Promise<Street> {
  await using opened = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "gateway-"));
  opened.defer(() => rmSync(folder, { recursive: true, force: true }));
  const redis = opened.use(await startRedis());
  const controlPlane = opened.use(await TestControlPlane.start());
  const authority = makeAuthority("test");
  const agentIdentity = authority.issue("vm", "vm-1");
  const agent = opened.use(await startAgent(agentIdentity));
  const { inside, port } = await openInside(opened);
  agent.ports.set(8089, port).set(3000, port);

  const identity = authority.issue("gateway", "gateway");
  let gateway = await start(folder, redis, controlPlane, identity, settings);
  opened.defer(() => gateway[Symbol.asyncDispose]());
  const { protocol } = new URL((settings["publicUrl"] as string | undefined) ?? "http://gitspaces.localhost");
  const names = cookieNames("test", protocol.slice(0, -1));
  const street = {
    authority,
    redis,
    controlPlane,
    agent,
    agentIdentity,
    folder,
    inside,
    get gateway() {
      return gateway;
    },
    async setRoute(route: Partial<Route> = {}) {
      const whole = routeTo(agent.port, agentIdentity, route);
      await redis.client.set(redisKeys.route(whole.gitspaceId), JSON.stringify(whole));
      await street.change({ change: "set", route: whole });
    },
    async change(change: RouteChange) {
      await redis.client.publish(ROUTES_CHANNEL, JSON.stringify(change));
    },
    async cookie(user: string, host = `${ADA}.${DOMAIN}`, at = Date.now()) {
      const sessions = new Sessions(Buffer.from(SESSION_KEY, "hex"), names.session, { now: () => at });
      return `${names.session}=${await sessions.begin({ user, organisation: "engine", sessionId: `session-of-${user}` }, host)}`;
    },
    ask: (head: string, host = `${ADA}.${DOMAIN}`) =>
      raw(gateway.address.port, head.replace("HOST", `${host}:${gateway.address.port}`)),
    async restart() {
      await gateway[Symbol.asyncDispose]();
      gateway = await start(folder, redis, controlPlane, identity, settings);
    },
  };
  const closing = opened.move();
  return Object.defineProperty(street, Symbol.asyncDispose, {
    value: () => closing.disposeAsync(),
  }) as unknown as Street;
}

function routeTo(port: number, agent: TlsIdentity, route: Partial<Route>): Route {
  const generation: z.infer<typeof Generation> = 1;
  return {
    gitspaceId: ADA,
    generation,
    instanceId: "vm-1",
    address: "127.0.0.1",
    port,
    keyFingerprint: keyFingerprint(agent.certificate),
    ...route,
  };
}

async function openInside(opened: AsyncDisposableStack): Promise<{ inside: Street["inside"]; port: number }> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    inside.answer(request, response);
  });
  const inside: Street["inside"] = { server, requests, answer: (_request, response) => void response.end("inside") };
  server.on("upgrade", (request, socket: Socket) => {
    requests.push(request);
    socket.on("error", () => socket.destroy());
    socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    socket.pipe(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  opened.defer(async () => {
    server.close();
    for (const socket of sockets) socket.destroy();
    await once(server, "close");
  });
  return { inside, port: (server.address() as AddressInfo).port };
}

async function start(
  folder: string,
  redis: TestRedis,
  controlPlane: TestControlPlane,
  identity: TlsIdentity,
  settings: Record<string, unknown>,
): Promise<Gateway> {
  const secret = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const config = GatewayConfig.parse({
    dataFolder: folder,
    installation: "test",
    listen: "127.0.0.1:0",
    tasksListen: "127.0.0.1:0",
    sshListen: "127.0.0.1:0",
    adminListen: "127.0.0.1:0",
    unreadyMs: 0,
    stopGraceMs: 100,
    controlPlaneUrl: controlPlane.url,
    controlPlanePublicUrl: controlPlane.url,
    gatewayTokenFile: secret("token", TOKEN),
    redisUrl: redis.url,
    enrolUrl: "https://127.0.0.1:1",
    caFingerprintFile: secret("ca", "aa"),
    enrolTokenFile: secret("join", "token"),
    sessionKeyFile: secret("session", SESSION_KEY),
    ...settings,
  });
  const log = createLog("gateway-test", process.env["TEST_LOG"] ?? "silent");
  return startGateway(config, { present: identity, onRenewed: () => {} }, log, AbortSignal.timeout(20_000));
}

/** Waits until a claim holds, at most ten seconds. */
export async function until(claim: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const end = Date.now() + 10_000; !(await claim()); ) {
    if (Date.now() > end) throw new Error(`it never came true that ${what}`);
    await sleep(5);
  }
}
