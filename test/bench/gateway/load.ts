// Load over raw sockets, so that the client is cheap: each lane asks again as soon as it was answered.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { frame, LARGE } from "./sizes.ts";

export type Place = { port: number; host: string; cookie: string };

/** How many operations were done within the time. */
export type Load = (place: Place, ms: number) => Promise<number>;

export const get: Load = (place, ms) => ask(place, ms, 50, Buffer.from(head(place, "GET", "/small")));
export const down: Load = (place, ms) => ask(place, ms, 8, Buffer.from(head(place, "GET", "/large")));
export const up: Load = (place, ms) =>
  ask(
    place,
    ms,
    8,
    Buffer.concat([Buffer.from(head(place, "POST", "/up", [`Content-Length: ${LARGE}`])), Buffer.alloc(LARGE, "u")]),
  );

/** Frames that come back, over connections that are already open. */
export async function ws(place: Place, ms: number): Promise<number> {
  const sockets = await Promise.all(Array.from({ length: 50 }, () => upgrade(place, "/echo")));
  return during(ms, (isOver, count) =>
    sockets.map(async (socket) => {
      let left = frame.length;
      socket.on("data", (chunk: Buffer) => {
        left -= chunk.length;
        if (left > 0) return;
        count();
        left = frame.length;
        if (isOver()) socket.destroy();
        else socket.write(frame);
      });
      const closed = once(socket, "close");
      socket.write(frame);
      await closed;
    }),
  );
}

/** Connections set up and left, one after the other in each of sixteen lanes. */
export async function wsSetup(place: Place, ms: number): Promise<number> {
  return during(ms, (isOver, count) =>
    Array.from({ length: 16 }, async () => {
      while (!isOver()) {
        const socket = await upgrade(place, "/echo");
        socket.destroy();
        count();
      }
    }),
  );
}

/** An upgraded connection. */
export async function upgrade(place: Place, path: string): Promise<Socket> {
  const socket = await opened(place);
  socket.write(upgradeHead(place, path));
  const [chunk] = (await once(socket, "data")) as [Buffer];
  if (!chunk.toString("latin1", 0, 12).endsWith("101"))
    throw new Error(`an upgrade was answered ${chunk.toString("latin1").slice(0, 200)}`);
  return socket;
}

export async function opened({ port }: Place): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  await once(socket, "connect");
  socket.on("error", () => {});
  return socket;
}

export function head({ host, port, cookie }: Place, method: string, path: string, more: string[] = []): string {
  const lines = [`${method} ${path} HTTP/1.1`, `Host: ${host}:${port}`, "User-Agent: bench", "Accept: */*"];
  if (cookie !== "") lines.push(`Cookie: ${cookie}`);
  if (method !== "GET") lines.push(`Origin: http://${host}:${port}`);
  return `${[...lines, ...more].join("\r\n")}\r\n\r\n`;
}

export function upgradeHead(place: Place, path: string): string {
  return head(place, "GET", path, [
    `Origin: http://${place.host}:${place.port}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  ]);
}

async function ask(place: Place, ms: number, lanes: number, request: Buffer): Promise<number> {
  const sockets = await Promise.all(Array.from({ length: lanes }, () => opened(place)));
  return during(ms, (isOver, count) =>
    sockets.map(async (socket) => {
      let left = 0;
      socket.on("data", (chunk: Buffer) => {
        left = left === 0 ? wholeOf(chunk) - chunk.length : left - chunk.length;
        if (left !== 0) return;
        count();
        if (isOver()) socket.destroy();
        else socket.write(request);
      });
      const closed = once(socket, "close");
      socket.write(request);
      await closed;
    }),
  );
}

/** Head and body together. @throws when it is no answer, or one without a length. */
function wholeOf(chunk: Buffer): number {
  const end = chunk.indexOf("\r\n\r\n");
  const text = chunk.toString("latin1", 0, end === -1 ? chunk.length : end);
  const length = /\r\ncontent-length: *(\d+)/i.exec(text)?.[1];
  if (!text.startsWith("HTTP/1.1 200") || length === undefined)
    throw new Error(`the proxy answered ${text.slice(0, 300)}`);
  return end + 4 + Number(length);
}

async function during(
  ms: number,
  run: (isOver: () => boolean, count: () => void) => Promise<unknown>[],
): Promise<number> {
  const end = performance.now() + ms;
  let done = 0;
  await Promise.all(
    run(
      () => performance.now() > end,
      () => done++,
    ),
  );
  return done;
}
