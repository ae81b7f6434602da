// HTTP as bytes on a socket: for what well-behaved clients would never send.
import { once } from "node:events";
import { connect, type Socket } from "node:net";

export type RawAnswer = { status: number; head: string; body: string; header(name: string): string | undefined };

/** Sends bytes and reads until the server has said a whole answer or closes. */
export async function raw(port: number, text: string): Promise<RawAnswer> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    socket.write(text);
    return await readAnswer(socket);
  } finally {
    socket.destroy();
  }
}

/** The next answer on a socket, bounded by its length, its chunks or the end. */
export async function readAnswer(socket: Socket): Promise<RawAnswer> {
  let text = "";
  for await (const chunk of on(socket)) {
    text += chunk;
    const end = text.indexOf("\r\n\r\n");
    if (end === -1) continue;
    const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, end + 2))?.[1];
    const isSwitching = text.startsWith("HTTP/1.1 101");
    if (isSwitching || (length !== undefined && text.length >= end + 4 + Number(length)) || text.endsWith("0\r\n\r\n"))
      break;
  }
  const [head = "", ...rest] = text.split("\r\n\r\n");
  return {
    status: Number(head.split(" ")[1] ?? 0),
    head,
    body: rest.join("\r\n\r\n"),
    header: (name) => new RegExp(`^${name}: (.*)$`, "im").exec(head)?.[1]?.trim(),
  };
}

async function* on(socket: Socket): AsyncGenerator<string> {
  for (;;) {
    const chunk: Buffer | null = socket.read() as Buffer | null;
    if (chunk !== null) yield chunk.toString("latin1");
    else if (socket.readableEnded || socket.destroyed) return;
    else
      await Promise.race(
        ["readable", "end", "close", "error"].map(
          (event) => new Promise<void>((resolve) => socket.once(event, () => resolve())),
        ),
      );
  }
}
