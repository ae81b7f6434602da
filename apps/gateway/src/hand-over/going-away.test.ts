import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FrameBoundary } from "./frame-boundary.ts";
import { closeWebSocket } from "./going-away.ts";

const CLOSE_1012 = Buffer.from([0x88, 2, 0x03, 0xf4]);
let opened: AsyncDisposableStack;
beforeEach(() => void (opened = new AsyncDisposableStack()));
afterEach(async () => opened.disposeAsync());

/** Two ends of one connection. */
async function pair(): Promise<[Socket, Socket]> {
  const server = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const near = connect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", allowHalfOpen: true });
  const [far] = (await once(server, "connection")) as [Socket];
  opened.defer(() => {
    for (const socket of [near, far]) socket.on("error", () => {}).destroy();
    server.close();
  });
  return [near, far];
}

/** A splice as the gateway has it: the far ends are the person's browser and the server inside. */
async function splice(): Promise<{ browser: Socket; inside: Socket; heard: Buffer[]; close: () => void }> {
  const [client, browser] = await pair();
  const [upstream, inside] = await pair();
  const frames = new FrameBoundary();
  const follow = (chunk: Buffer): void => frames.feed(chunk);
  upstream.on("data", follow).pipe(client);
  client.pipe(upstream);
  const heard: Buffer[] = [];
  browser.on("data", (chunk: Buffer) => heard.push(chunk));
  const close = (): void => {
    upstream.off("data", follow);
    closeWebSocket(client, upstream, frames);
  };
  return { browser, inside, heard, close };
}

async function hears({ heard }: { heard: Buffer[] }, bytes: Buffer): Promise<void> {
  await expect.poll(() => Buffer.concat(heard).toString("hex"), { timeout: 10_000 }).toBe(bytes.toString("hex"));
}

test("between two frames the close frame follows at once, and the browser's answer reaches the server inside", async () => {
  const way = await splice();
  const frame = Buffer.from([0x82, 3, 1, 2, 3]);
  way.inside.write(frame);
  await hears(way, frame);
  way.close();
  await hears(way, Buffer.concat([frame, CLOSE_1012]));
  const told = once(way.inside, "data");
  const answer = Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xf4]);
  way.browser.end(answer);
  expect((await told)[0]).toEqual(answer);
});

test("a frame under way is finished first, and the one after it is not begun", async () => {
  const way = await splice();
  const frame = Buffer.concat([Buffer.from([0x82, 126, 0x03, 0xe8]), Buffer.alloc(1_000, 7)]);
  way.inside.write(frame.subarray(0, 500));
  await hears(way, frame.subarray(0, 500));
  way.close();
  await sleep(50);
  way.inside.write(Buffer.concat([frame.subarray(500), Buffer.from([0x82, 1, 9])]));
  await hears(way, Buffer.concat([frame, CLOSE_1012]));
  await sleep(50);
  expect(Buffer.concat(way.heard)).toHaveLength(frame.length + CLOSE_1012.length);
});

test("a server inside that never finishes its frame is not waited for long", async () => {
  const way = await splice();
  way.inside.write(Buffer.from([0x82, 100, 1]));
  await hears(way, Buffer.from([0x82, 100, 1]));
  const gone = once(way.browser, "close", { signal: AbortSignal.timeout(10_000) });
  way.browser.on("end", () => way.browser.end());
  way.close();
  await gone;
  expect(Buffer.concat(way.heard)).toHaveLength(3);
});
