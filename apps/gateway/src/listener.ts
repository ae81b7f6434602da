// The listener of browsers: Node's strict parser, small heads, slow heads cut, long bodies and idle tunnels left alone.
import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { type Address, keepConnectionReserve } from "@gitspaces/daemon";
import type { House } from "./house.ts";
import { visit, visitUpgrade } from "./visits.ts";

const CLOSE_MS = 2_000;
const TOO_MANY = "Too many connections at the moment";

export type Listening = { address: Address } & AsyncDisposable;

/** Listens for HTTP/1.1; `stop` ends what is still running when it is disposed. */
export async function listenForVisits(house: House, listen: Address): Promise<Listening> {
  const server = createServer({
    insecureHTTPParser: false,
    maxHeaderSize: 32 * 1024,
    headersTimeout: 10_000,
    requestTimeout: 0,
    connectionsCheckingInterval: 1_000,
    keepAliveTimeout: 65_000,
    keepAlive: true,
    keepAliveInitialDelay: 30_000,
    noDelay: true,
    highWaterMark: 128 * 1024,
  });
  const reserve = keepConnectionReserve(server);
  server.on("request", (request, response) => {
    if (reserve.isRefused(request.socket)) return refuse(response);
    void visit(house, request, response);
  });
  server.on("upgrade", (request, socket, head) => {
    if (reserve.isRefused(request.socket)) socket.end(`HTTP/1.1 503 ${TOO_MANY}\r\nretry-after: 5\r\n\r\n`);
    else void visitUpgrade(house, request, socket, head);
  });
  return open(server, listen, async () => {
    house.live.recheck(() => false);
  });
}

function refuse(response: ServerResponse): void {
  response.writeHead(503, { "content-type": "text/plain", "retry-after": "5", connection: "close" });
  response.end(`${TOO_MANY}. Try again in a few seconds.\n`);
}

/** Binds a server; on disposal it takes nobody new, runs `end`, and closes what is left after a moment. */
export async function open(
  server: Server,
  listen: Address,
  end: () => Promise<void> = async () => {},
): Promise<Listening> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.listen(listen.port, listen.host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    address: { host: listen.host, port },
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      server.closeIdleConnections();
      await end();
      const timer = setTimeout(() => sockets.forEach((socket) => socket.destroy()), CLOSE_MS);
      await closed;
      clearTimeout(timer);
    },
  };
}
