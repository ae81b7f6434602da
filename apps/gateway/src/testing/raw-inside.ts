// A server inside a VM that says exactly the bytes it is told to, and remembers how each connection ended.
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";

export type Inside = {
  port: number;
  /** Called with each head as it was sent, in latin1, and what came with it. */
  answer: (head: string, socket: Socket, rest: Buffer) => void;
  heads: string[];
  open: Set<Socket>;
} & AsyncDisposable;

export async function openRawInside(): Promise<Inside> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    inside.open.add(socket);
    socket.on("close", () => inside.open.delete(socket));
    socket.on("error", () => socket.destroy());
    // Whoever wants the rest of a connection listens itself; without that its end is answered by an end.
    const onEnd = (): void => void socket.end();
    socket.on("end", onEnd);
    let bytes = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      for (let end = bytes.indexOf("\r\n\r\n"); end !== -1; end = bytes.indexOf("\r\n\r\n")) {
        const head = bytes.toString("latin1", 0, end + 4);
        bytes = bytes.subarray(end + 4);
        inside.heads.push(head);
        if (!/\r\n(?:upgrade|content-length|transfer-encoding):/i.test(head))
          inside.answer(head, socket, Buffer.alloc(0));
        else {
          socket.off("data", onData);
          const rest = bytes;
          bytes = Buffer.alloc(0);
          inside.answer(head, socket, rest);
        }
      }
    };
    socket.on("data", onData);
  });
  const inside: Inside = {
    port: 0,
    answer: (_head, socket) => void socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    heads: [],
    open: new Set(),
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of inside.open) socket.destroy();
      await once(server, "close");
    },
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  inside.port = (server.address() as AddressInfo).port;
  return inside;
}
