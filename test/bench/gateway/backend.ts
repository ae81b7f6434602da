// The server behind every proxy: small and large answers, uploads, echoes, silence. It knows which of its sockets are busy.
import { createServer, type Socket } from "node:net";
import { LARGE, SMALL } from "./sizes.ts";
import { onQuestion, say } from "./messages.ts";

const small = answer(Buffer.alloc(SMALL, "s"));
const large = answer(Buffer.alloc(LARGE, "l"));
const ok = answer(Buffer.from("ok"));
const notFound = Buffer.from("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope");
const streamHead = Buffer.from("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
const switching =
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const busy = new Set<Socket>();
let open = 0;

const server = createServer({ noDelay: true, highWaterMark: 256 * 1024 }, (socket) => {
  open++;
  let head = "";
  let bodyLeft = 0;
  socket.on("error", () => socket.destroy());
  socket.on("close", () => {
    open--;
    busy.delete(socket);
  });
  socket.on("data", onData);

  function onData(chunk: Buffer): void {
    if (bodyLeft > 0) {
      bodyLeft -= chunk.length;
      if (bodyLeft <= 0) done(ok);
      return;
    }
    head += chunk.toString("latin1");
    const end = head.indexOf("\r\n\r\n");
    if (end === -1) return;
    const [path = ""] = head.slice(head.indexOf(" ") + 1).split(" ", 1);
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head.slice(0, end))?.[1] ?? 0);
    const present = head.length - end - 4;
    head = "";
    busy.add(socket);
    if (length > 0) {
      bodyLeft = length - present;
      if (bodyLeft <= 0) done(ok);
    } else if (path === "/small") done(small);
    else if (path === "/large") done(large);
    else if (path === "/echo") echo();
    else if (path === "/refused") done(notFound);
    else if (path === "/stream") socket.write(streamHead);
    // Anything else is never answered: a VM that is frozen.
  }

  function done(answered: Buffer): void {
    busy.delete(socket);
    socket.write(answered);
  }

  function echo(): void {
    socket.off("data", onData);
    socket.write(switching);
    socket.on("data", (chunk) => socket.write(chunk));
  }
});
server.listen(0, "127.0.0.1", () => say((server.address() as { port: number }).port));
onQuestion(() => ({ open, busy: busy.size }));

function answer(body: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from(`HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n`),
    body,
  ]);
}
