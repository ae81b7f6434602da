// SSH for networks that let only HTTP through: a WebSocket on the Gitspace's host whose bytes go to the SSH door as if they came by
// TCP. No session is asked for: the person's key proves who they are, there as here.
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { failure, SSH_WEBSOCKET_PATH } from "@gitspaces/contracts";
import { WebSocketServer } from "ws";
import { tell } from "./answer.ts";
import { tellRefusal } from "./pages.ts";
import { pathOf } from "./site.ts";
import { answerOn } from "./upgrade.ts";
import { websocketBytes } from "@gitspaces/contracts/websocket-bytes";

/** What takes a connection of SSH, from wherever it comes. */
export type TakeSsh = (stream: Duplex, remoteAddress: string) => void;

/** The largest message: OpenSSH writes 32 KB at a time. */
const LARGEST_BYTES = 256 * 1024;
const handshakes = new WebSocketServer({
  noServer: true,
  clientTracking: false,
  perMessageDeflate: false,
  maxPayload: LARGEST_BYTES,
});

/** Whether an upgrade is meant for the SSH door. */
export function isSshUpgrade(request: IncomingMessage): boolean {
  return pathOf(request.url ?? "/") === SSH_WEBSOCKET_PATH;
}

/**
 * Shakes hands over a WebSocket and gives its bytes to `take`, as those of `clientAddress`; whatever a page of a browser could send is
 * refused.
 */
export function sshOverWebsocket(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  take: TakeSsh | undefined,
  clientAddress: string,
): void {
  const refuse = (status: number, message: string): void =>
    tell(request, answerOn(request, socket), tellRefusal(failure("denied", message, { retry: "never" }), status));
  // A browser names the page's origin on every WebSocket, and no page has any business here.
  if (request.headers.origin !== undefined) return refuse(403, "SSH is not for pages of a browser.");
  if (request.method !== "GET" || request.headers.upgrade?.toLowerCase() !== "websocket")
    return refuse(400, "SSH is carried by a WebSocket here.");
  if (take === undefined) return refuse(404, "This gateway takes no SSH.");
  handshakes.handleUpgrade(request, socket, head, (open) => {
    const stream = websocketBytes(open);
    stream.on("error", () => stream.destroy());
    take(stream, clientAddress);
  });
}
