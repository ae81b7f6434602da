// The door of those who come by http where https is due: upgrades are refused there, and whoever is refused is also gone.
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect } from "node:net";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readAnswer } from "../testing/raw-http.ts";
import { ADA, until } from "../testing/street.ts";
import { makeRedirectServer } from "./redirect.ts";

const domain = "gitspaces.localhost";
const server = makeRedirectServer({ domain, publicUrl: `https://${domain}` });
const upgrade = `GET / HTTP/1.1\r\nHost: ${ADA}.${domain}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`;
const dial = () => connect((server.address() as AddressInfo).port, "127.0.0.1").on("error", () => {});
beforeAll(async () => {
  await once(server.listen(0, "127.0.0.1"), "listening");
});
afterAll(() => void server.close());

test("an upgrade is told that it needs https, and its connection does not stay", async () => {
  const socket = connect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", allowHalfOpen: true });
  socket.write(upgrade);
  expect((await readAnswer(socket)).status).toBe(426);
  const count = promisify(server.getConnections.bind(server));
  await until(async () => (await count()) === 0, "the server has let go of it");
  socket.destroy();
});

test("a client that is gone before its upgrade is refused ends nothing but itself", async () => {
  const uncaught: unknown[] = [];
  const note = (error: unknown): void => void uncaught.push(error);
  process.on("uncaughtException", note);
  for (let count = 0; count < 20; count++) {
    const socket = dial();
    await once(socket, "connect");
    socket.write(upgrade, () => socket.resetAndDestroy());
    await once(socket, "close");
  }
  const socket = dial();
  socket.write(`GET /x HTTP/1.1\r\nHost: ${ADA}.${domain}\r\n\r\n`);
  expect((await readAnswer(socket)).header("location")).toBe(`https://${ADA}.${domain}/x`);
  process.off("uncaughtException", note);
  expect(uncaught).toEqual([]);
});
