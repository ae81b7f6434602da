// The correctness matrix, row by row through the whole gateway, for both engines: as good as the best proxy known for each row.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type Inside, openRawInside } from "./testing/raw-inside.ts";
import { rows } from "./testing/correctness/matrix.ts";
import { type Client, openClient } from "./testing/correctness/row.ts";
import { ADA, DOMAIN, openStreet, type Street, until } from "./testing/street.ts";

/** What an engine is known to lose, and what it does instead. */
const losses: Record<string, Record<string, unknown>> = {
  // http-proxy 1.x listens neither for interim answers nor for trailers of what it asked.
  "http-proxy": {
    "response trailers": "lost",
    "103 early hints": "lost",
    "Expect: 100-continue": ["100 from the proxy", 200],
  },
  undici: {},
};

let inside: Inside;
const streets = new Map<string, { street: Street; cookie: string }>();
const clients: Client[] = [];
beforeAll(async () => {
  for (const forwarder of Object.keys(losses)) {
    const street = await openStreet({ forwarder });
    await street.controlPlane.publish({ gitspaceId: ADA });
    await street.setRoute();
    const { house } = street.gateway;
    await until(() => house.routes.size === 1 && house.access.size === 1, "the Gitspace is known");
    streets.set(forwarder, { street, cookie: await street.cookie("ada") });
  }
});
afterAll(async () => {
  for (const { street } of streets.values()) await street[Symbol.asyncDispose]();
});
beforeEach(async () => {
  inside = await openRawInside();
});
afterEach(async () => {
  for (const { socket } of clients.splice(0)) socket.destroy();
  await inside[Symbol.asyncDispose]();
});

const table = Object.keys(losses).flatMap((engine) =>
  rows.map((row) => ({ engine, row, title: `${engine}: ${row.name}` })),
);

test.each(table)("$title", async ({ engine, row }) => {
  const { street, cookie } = need(streets.get(engine));
  const { port } = street.gateway.address;
  street.agent.ports.set(8089, inside.port);
  const host = `${ADA}.${DOMAIN}:${port}`;
  const observed = await row.play({
    inside,
    host,
    client: async () => {
      const client = await openClient(port);
      clients.push(client);
      return client;
    },
    head: (method, path, ...more) =>
      [
        `${method} ${path} HTTP/1.1`,
        `Host: ${host}`,
        `Cookie: ${cookie}`,
        `Origin: http://${host}`,
        ...more,
        "\r\n",
      ].join("\r\n"),
  });
  expect(observed).toEqual(losses[engine]?.[row.name] ?? row.best);
});

function need<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("the street was not opened");
  return value;
}
