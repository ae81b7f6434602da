// What stands still because of its client is ended, and what the other side holds back is not.
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { expect, test } from "vitest";
import { until } from "../testing/street.ts";
import type { LimitName } from "./config.ts";
import { Stalls } from "./stalls.ts";

const HOUR_MS = 3_600_000;
const limits = { limitBodyBytes: 0, limitBodyPauseSeconds: 60, limitUnreadSeconds: 60 };

test("T12: a body that is held back by whom it is for is not its client's fault; one that stops is", async () => {
  await using opened = new AsyncDisposableStack();
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1").on("error", () => {});
  opened.defer(() => {
    client.destroy();
    server.close();
  });
  client.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
  client.write(Buffer.alloc(900_000));
  const [request] = (await once(server, "request")) as [IncomingMessage];
  using stalls = new Stalls(limits);
  const met: LimitName[] = [];
  stalls.watchBody(request, (limit) => met.push(limit));

  request.pause();
  await until(() => request.readableLength > 0, "some of it is there");
  const start = performance.now();
  stalls.look(start + HOUR_MS);
  stalls.look(start + 2 * HOUR_MS);
  expect(met).toEqual([]);

  let taken = 0;
  request.on("data", (chunk: Buffer) => (taken += chunk.length)).resume();
  await until(() => taken === 900_000, "all that was sent is taken");
  stalls.look(start + 3 * HOUR_MS);
  stalls.look(start + 4 * HOUR_MS);
  expect(met).toEqual(["limitBodyPauseSeconds"]);
});
