// The listener of browsers: Node's strict parser, small heads, slow heads cut, long bodies and idle tunnels left alone.
import { createServer, type Server as HttpServer, type ServerResponse } from "node:http";
import { Server, type Socket } from "node:net";
import { type Address, keepConnectionReserve } from "@gitspaces/daemon";
import { type Doorway, listenAt } from "./hand-over/doors.ts";
import type { House } from "./house.ts";
import { visit, visitUpgrade } from "./visits.ts";

const CLOSE_MS = 2_000;
const TOO_MANY = "Too many connections at the moment";

export type Listening = {
  address: Address;
  /** Once the door is left: resolves when the last connection is over. */
  over: Promise<void>;
} & AsyncDisposable;

/** Listens for HTTP/1.1; `stop` ends what is still running when it is disposed. */
export async function listenForVisits(house: House, listen: Address | Doorway): Promise<Listening> {
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
  place: Address | Doorway,
  end: () => Promise<void> = async () => {},
): Promise<Listening> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  if ("doors" in place) closeAfterAnswer(server, place.doors.left);
  const over = new Promise<void>((resolve) => server.once("close", resolve));
  const address = await listenAt(server, place);
  return {
    address,
    over,
    async [Symbol.asyncDispose]() {
      if (server.listening) Server.prototype.close.call(server);
      (server as Partial<HttpServer>).closeIdleConnections?.();
      await end();
      const timer = setTimeout(() => sockets.forEach((socket) => socket.destroy()), CLOSE_MS);
      await over;
      clearTimeout(timer);
    },
  };
}

/** Once the door is left, each answer is the last one on its connection: the next request goes to who is there then. */
function closeAfterAnswer(server: Server, left: AbortSignal): void {
  server.prependListener("request", (_request: unknown, response: ServerResponse) => {
    if (left.aborted) response.shouldKeepAlive = false;
  });
}
