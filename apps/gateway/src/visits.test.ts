// How a visit is let through: by what is known when its turn has come, and with nothing kept that only its beginning needs.
import { connect } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, expect, test } from "vitest";
import { reader } from "./testing/forwarder-stage.ts";
import { ADA, DOMAIN, openStreet, type Street, until } from "./testing/street.ts";

let street: Street;
beforeAll(async () => {
  street = await openStreet({ limitRequestsPerSecondPerUser: 1 });
  const { house } = street.gateway;
  await street.controlPlane.publish({ gitspaceId: ADA });
  await street.setRoute();
  await until(() => house.routes.size === 1 && house.access.size === 1, "the Gitspace is known");
});
afterAll(async () => street[Symbol.asyncDispose]());

test("a tunnel keeps nothing of the request that it was, and is live until it ends", async () => {
  const { house, address } = street.gateway;
  const requests: WeakRef<object>[] = [];
  const { forwarder } = house;
  house.forwarder = {
    ...forwarder,
    upgrade(request, ...way) {
      requests.push(new WeakRef(request));
      return forwarder.upgrade(request, ...way);
    },
  };
  const host = `${ADA}.${DOMAIN}:${address.port}`;
  const socket = connect(address.port, "127.0.0.1");
  const lines = [`Host: ${host}`, `Cookie: ${await street.cookie("ada")}`, `Origin: http://${host}`];
  socket.write(["GET / HTTP/1.1", ...lines, "Connection: Upgrade", "Upgrade: websocket", "", ""].join("\r\n"));
  const read = reader(socket);
  await read("101 Switching Protocols");
  house.forwarder = forwarder;
  // The street's server inside keeps what it was asked, which is another object.
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  await until(async () => {
    await turn();
    collect();
    return requests.length === 1 && requests[0]?.deref() === undefined;
  }, "the request is gone");
  expect(house.live.count("websocket")).toBe(1);
  socket.write("still here");
  await read("still here");
  socket.destroy();
  await until(() => house.live.size === 0, "the tunnel is over");
});

test("T14: who had to wait for their turn is judged by what is known when it comes", async () => {
  const host = `3000--${ADA}.${DOMAIN}`;
  const cookie = await street.cookie("eve", host);
  await street.controlPlane.publish({ gitspaceId: ADA, ports: { 3000: "organisation" } });
  const { house } = street.gateway;
  await until(() => house.access.find(ADA)?.ports["3000"] === "organisation", "the organisation may come in");
  const ask = () => street.ask(`GET / HTTP/1.1\r\nHost: HOST\r\nCookie: ${cookie}\r\nConnection: close\r\n\r\n`, host);
  expect((await ask()).status).toBe(200);
  expect((await ask()).status).toBe(200);
  // The first waits for one second and the second for two.
  const late = Promise.all([ask(), ask()]);
  await street.controlPlane.publish({ gitspaceId: ADA });
  await until(() => house.access.find(ADA)?.ports["3000"] === undefined, "it may no longer");
  expect((await late).map(({ status }) => status)).toContain(404);
});
