// The listener of browsers: who is let as far as a visit, and how it is left.
import type { Server as HttpServer, ServerResponse } from "node:http";
import { Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type Address, keepConnectionReserve } from "@gitspaces/daemon";
import { makeFrontServer } from "./edge/front-server.ts";
import { keepGate } from "./edge/gate.ts";
import { type Doorway, listenAt } from "./hand-over/doors.ts";
import type { House } from "./house.ts";
import { answerOn } from "./upgrade.ts";
import { visit, visitUpgrade } from "./visits.ts";

const CLOSE_MS = 2_000;
const TOO_MANY = "Too many connections at the moment";

export type Listening = { address: Address } & AsyncDisposable;

/** Listens for HTTP/1.1; `stop` ends what is still running when it is disposed. */
export async function listenForVisits(house: House, listen: Address | Doorway): Promise<Listening> {
  const server = makeFrontServer(house.edge);
  const reserve = keepConnectionReserve(server);
  const gate = keepGate(server, house.edge);
  server.on("request", (request, response) => {
    if (reserve.isRefused(request.socket)) return refuse(response);
    if (gate.turnsAway(request, () => response)) return;
    gate.watchBody(request, response);
    house.eventStreams.see(request, response);
    void visit(house, request, response);
  });
  // Whether the body is wanted, the server inside says; an answer before it came is the last one on its connection.
  server.on("checkContinue", (request, response) => {
    response.shouldKeepAlive = false;
    server.emit("request", request, response);
  });
  server.on("upgrade", (request, socket, head) => {
    // Node has let go of it: without a listener a client that is reset would end everybody's gateway.
    socket.on("error", destroyIt);
    if (reserve.isRefused(request.socket)) socket.end(`HTTP/1.1 503 ${TOO_MANY}\r\nretry-after: 5\r\n\r\n`);
    else if (!gate.turnsAway(request, () => answerOn(request, socket))) void visitUpgrade(house, request, socket, head);
  });
  return open(server, listen, async () => {
    house.live.recheck(() => false);
  });
}

/** One function for every socket: it holds nothing of a request while the connection lasts. */
function destroyIt(this: Duplex): void {
  this.destroy();
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
  const cut = (): void => sockets.forEach((socket) => socket.destroy());
  if ("doors" in place) {
    closeAfterAnswer(server, place.doors.left);
    place.doors.cut.addEventListener("abort", cut, { once: true });
  }
  const over = new Promise<void>((resolve) => server.once("close", resolve));
  const address = await listenAt(server, place);
  return {
    address,
    async [Symbol.asyncDispose]() {
      if (server.listening) Server.prototype.close.call(server);
      (server as Partial<HttpServer>).closeIdleConnections?.();
      await end();
      const timer = setTimeout(cut, CLOSE_MS);
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
