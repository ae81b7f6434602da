// SSH's bytes over a real WebSocket: whole, in order, with both halves, and for nobody who sits in a browser.
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { buffer } from "node:stream/consumers";
import { finished, pipeline } from "node:stream/promises";
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { isSshUpgrade, sshOverWebsocket, type TakeSsh } from "./ssh-over-websocket.ts";
import { websocketBytes } from "@gitspaces/contracts/websocket-bytes";

/** A server that hands every SSH connection to `take`. */
async function door(take: TakeSsh | undefined) {
  const server = createServer();
  server.on("upgrade", (request, socket, head) => {
    if (isSshUpgrade(request)) sshOverWebsocket(request, socket, head, take, "192.0.2.1");
    else socket.destroy();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/.gitspaces/ssh`;
  return {
    url,
    async connect(options: { origin?: string } = {}): Promise<WebSocket> {
      const socket = new WebSocket(url, { ...options, perMessageDeflate: false });
      await once(socket, "open");
      return socket;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test("64 MB go there and come back whole and in order, though the reader is slow", async () => {
  await using server = await door((stream) => void pipeline(stream, stream).catch(() => undefined));
  const client = websocketBytes(await server.connect());
  const chunk = randomBytes(1024 * 1024);
  const sent = createHash("sha256");
  const came = createHash("sha256");
  let length = 0;
  const reading = (async () => {
    for await (const each of client) {
      length += (each as Buffer).length;
      came.update(each as Buffer);
      if (length % 7 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
  })();
  for (let at = 0; at < 64; at++) {
    // A message may be no larger than 256 KB, so a stream of any size is cut by its writer.
    for (let from = 0; from < chunk.length; from += 64 * 1024) {
      const part = chunk.subarray(from, from + 64 * 1024);
      sent.update(part);
      if (!client.write(part)) await once(client, "drain");
    }
  }
  client.end();
  await reading;
  expect({ length, digest: came.digest("hex") }).toEqual({ length: 64 * 1024 * 1024, digest: sent.digest("hex") });
});

test("who has said everything still hears the answer: one half ends without the other", async () => {
  await using server = await door((stream) => {
    void buffer(stream).then((asked) => stream.end(Buffer.concat([Buffer.from("heard: "), asked])));
  });
  const client = websocketBytes(await server.connect());
  client.end("all of it");
  expect((await buffer(client)).toString()).toBe("heard: all of it");
});

test("a writer waits for a reader that does not read", async () => {
  let inside: Duplex | undefined;
  await using server = await door((stream) => (inside = stream));
  const client = websocketBytes(await server.connect());
  const part = Buffer.alloc(64 * 1024);
  let written = 0;
  while (written < 400 && client.write(part)) written += 1;
  const blocked = await Promise.race([
    once(client, "drain").then(async () => {
      for (let at = 0; at < 2_000; at++) if (!client.write(part)) await once(client, "drain");
      return "never";
    }),
    new Promise((resolve) => setTimeout(() => resolve("waits"), 500)),
  ]);
  expect(blocked).toBe("waits");
  expect(inside?.readableLength).toBeLessThan(1024 * 1024);
  client.destroy();
  inside?.destroy();
});

test("when one side is gone the other is told within a moment, whichever went", async () => {
  const inside: Duplex[] = [];
  await using server = await door((stream) => inside.push(stream));
  const first = await server.connect();
  first.terminate();
  await expect.poll(() => inside[0]?.destroyed).toBe(true);

  const second = await server.connect();
  await expect.poll(() => inside.length).toBe(2);
  inside[1]?.destroy();
  const [code] = (await once(second, "close")) as [number];
  expect(code).toBe(1_000);
  const third = websocketBytes(await server.connect());
  third.on("error", () => undefined);
  await expect.poll(() => inside.length).toBe(3);
  inside[2]?.destroy(new Error("the key was removed"));
  await finished(third).catch(() => undefined);
  expect(third.destroyed).toBe(true);
});

test("a client that only closes, as any WebSocket library does, ends its half and loses nothing it sent", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  await using server = await door((stream) => void buffer(stream).then((bytes) => resolve(bytes.toString())));
  const client = await server.connect();
  client.send(Buffer.from("last words"));
  client.close();
  expect(await promise).toBe("last words");
});

test("text is no SSH: the WebSocket is closed with 1003", async () => {
  await using server = await door((stream) => void stream.resume());
  const client = await server.connect();
  client.send("SSH-2.0-text");
  const [code] = (await once(client, "close")) as [number];
  expect(code).toBe(1_003);
});

test("a page of a browser cannot open it, whatever its origin", async () => {
  let taken = 0;
  await using server = await door(() => (taken += 1));
  for (const origin of ["https://evil.example", new URL(server.url).origin.replace("ws", "http"), "null"]) {
    const socket = new WebSocket(server.url, { origin });
    const [error] = (await once(socket, "error")) as [Error];
    expect(error.message).toContain("403");
  }
  expect(taken).toBe(0);
});

test("a gateway without an SSH door says so instead of hanging", async () => {
  await using server = await door(undefined);
  const socket = new WebSocket(server.url);
  const [error] = (await once(socket, "error")) as [Error];
  expect(error.message).toContain("404");
});
