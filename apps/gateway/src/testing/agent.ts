// An agent as the gateway meets one: mTLS, CONNECT into loopback ports, and the two task paths. It remembers what it saw.
import { once } from "node:events";
import { createServer } from "node:https";
import { type AddressInfo, connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { TLSSocket } from "node:tls";
import { peerName, serverTls, type TlsIdentity } from "@gitspaces/daemon/certificates";

export type TestAgent = {
  port: number;
  /** Where a target port really leads. */
  ports: Map<number, number>;
  /** Connections open to targets now, and how many there were. */
  open: Set<Socket>;
  dialled: number;
  tls: number;
  /** How many of its TLS connections went on from an earlier one. */
  resumed: number;
  isSilent: boolean;
  onTask: (request: IncomingMessage, response: ServerResponse) => void;
  /** Answers a CONNECT to the port of SSH. */
  onSsh: ((request: IncomingMessage, client: Duplex) => void) | undefined;
} & AsyncDisposable;

export async function startAgent(identity: TlsIdentity): Promise<TestAgent> {
  const sockets = new Set<Socket>();
  const server = createServer({ ...serverTls(identity), allowHalfOpen: true }, (request, response) =>
    agent.onTask(request, response),
  );
  const agent: TestAgent = {
    port: 0,
    ports: new Map(),
    open: new Set(),
    dialled: 0,
    tls: 0,
    resumed: 0,
    isSilent: false,
    onTask: (_request, response) => response.writeHead(404).end(),
    onSsh: undefined,
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, "close");
    },
  };
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  server.on("secureConnection", (socket: TLSSocket) => {
    agent.tls++;
    if (socket.isSessionReused()) agent.resumed++;
  });
  server.on("connect", (request: IncomingMessage, client: Duplex) => {
    client.on("error", () => client.destroy());
    if (agent.isSilent) return;
    if (peerName(request.socket as TLSSocket)?.role !== "gateway") {
      client.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
      return;
    }
    if (request.url === "localhost:8022" && agent.onSsh !== undefined) return agent.onSsh(request, client);
    const target = agent.ports.get(Number(/^localhost:(\d+)$/.exec(request.url ?? "")?.[1]));
    if (target === undefined) {
      client.end("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
      return;
    }
    const upstream = connect({ port: target, host: "127.0.0.1", allowHalfOpen: true });
    agent.open.add(upstream);
    agent.dialled++;
    upstream.on("error", () => client.destroy());
    upstream.on("close", () => {
      agent.open.delete(upstream);
      client.destroy();
    });
    client.on("close", () => upstream.destroy());
    upstream.on("connect", () => {
      client.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      client.pipe(upstream);
      upstream.pipe(client);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  agent.port = (server.address() as AddressInfo).port;
  return agent;
}
