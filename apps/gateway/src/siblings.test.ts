// Pages of one owner's other ports: what browsers are told before they ask, and what they may read and send.
import type { AccessDocument } from "@gitspaces/contracts";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { siblingOrigin } from "./siblings.ts";
import { ADA, BOB, DOMAIN, openStreet, type Street, until } from "./testing/street.ts";

let street: Street;
const host = `${ADA}.${DOMAIN}`;
const api = `3000--${host}`;
const at = (name: string): string => `http://${name}:${street.gateway.address.port}`;

beforeAll(async () => {
  street = await openStreet();
  await publish({ gitspaceId: ADA });
  await publish({ gitspaceId: BOB });
  await street.setRoute();
  await until(() => street.gateway.house.routes.find(ADA) !== undefined, "the route is known");
});
afterAll(async () => street[Symbol.asyncDispose]());
beforeEach(() => {
  street.inside.requests.length = 0;
});

async function publish(document: Partial<AccessDocument> & { gitspaceId: string }): Promise<void> {
  await street.controlPlane.publish(document);
  const { version } = street.controlPlane;
  await until(() => street.gateway.house.access.find(document.gitspaceId)?.version === version, "the document came");
}
const lines = (first: string, ...headers: string[]): string => [first, "Host: HOST", ...headers, "", ""].join("\r\n");
const preflight = (origin: string, name = api) =>
  street.ask(
    lines(
      "OPTIONS /items HTTP/1.1",
      "Connection: close",
      `Origin: ${origin}`,
      "Access-Control-Request-Method: PUT",
      "Access-Control-Request-Headers: x-custom, content-type",
    ),
    name,
  );

test("a preflight of another port of the same Gitspace is answered, though no cookie comes with it", async () => {
  const answer = await preflight(at(`5173--${host}`));
  expect(answer.status).toBe(204);
  expect(answer.header("access-control-allow-origin")).toBe(at(`5173--${host}`));
  expect(answer.header("access-control-allow-credentials")).toBe("true");
  expect(answer.header("access-control-allow-methods")).toBe("PUT");
  expect(answer.header("access-control-allow-headers")).toBe("x-custom, content-type");
  expect(answer.header("vary")).toBe("Origin");
  expect(street.inside.requests).toHaveLength(0);
});

test("what a page fetches without being signed in is 401 in JSON that it may read, and never a redirect", async () => {
  const origin = at(`5173--${host}`);
  const fetched = ["Sec-Fetch-Mode: cors", "Sec-Fetch-Site: same-site", `Origin: ${origin}`];
  const answer = await street.ask(lines("GET /items HTTP/1.1", ...fetched), api);
  expect([answer.status, answer.header("access-control-allow-origin")]).toEqual([401, origin]);
  expect(answer.header("content-type")).toBe("application/problem+json");
  const foreign = await street.ask(
    lines("GET /items HTTP/1.1", "Sec-Fetch-Mode: cors", "Origin: https://evil.test"),
    api,
  );
  expect([foreign.status, foreign.header("access-control-allow-origin")]).toEqual([401, undefined]);
});

test("a sibling reads, posts and opens WebSockets with the person's cookie, unless the server inside says who may", async () => {
  const origin = at(`5173--${host}`);
  const about = [`Origin: ${origin}`, "Sec-Fetch-Site: same-site", `Cookie: ${await street.cookie("ada", api)}`];
  const read = await street.ask(lines("GET / HTTP/1.1", "Sec-Fetch-Mode: cors", ...about), api);
  expect([read.status, read.header("access-control-allow-origin")]).toEqual([200, origin]);
  const posted = await street.ask(lines("POST / HTTP/1.1", "Content-Length: 0", ...about), api);
  expect([posted.status, posted.header("access-control-allow-credentials")]).toEqual([200, "true"]);
  const upgrade = ["Connection: Upgrade", "Upgrade: websocket"];
  expect((await street.ask(lines("GET / HTTP/1.1", ...upgrade, ...about), api)).status).toBe(101);
  const usual = street.inside.answer;
  street.inside.answer = (_request, response) =>
    void response.writeHead(200, { "access-control-allow-origin": "https://chosen.test" }).end("inside");
  const decided = await street.ask(lines("GET / HTTP/1.1", ...about), api);
  street.inside.answer = usual;
  expect(decided.head.match(/access-control-allow-origin: .*/gi)).toEqual([
    "access-control-allow-origin: https://chosen.test",
  ]);
  expect(street.inside.requests).toHaveLength(4);
});

test("the preflight of a public port is the server's own to answer", async () => {
  await publish({ gitspaceId: ADA, ports: { "3000": "public" } });
  expect((await preflight(at(`5173--${host}`))).body).toBe("inside");
  expect((await preflight("https://elsewhere.test")).body).toBe("inside");
  await publish({ gitspaceId: ADA });
});

test.each([
  ["another Gitspace of the same owner, to a private port", `${BOB}.${DOMAIN}`, api, "ada", {}, 401],
  [
    "another Gitspace of the same owner, to a port of the organisation",
    `${BOB}.${DOMAIN}`,
    api,
    "ada",
    { "3000": "organisation" },
    204,
  ],
  [
    "a Gitspace of somebody else, to a port of the organisation",
    `${BOB}.${DOMAIN}`,
    api,
    "bob",
    { "3000": "organisation" },
    401,
  ],
  ["another port of the same Gitspace, to the IDE", api, host, "ada", {}, 401],
  ["another port of the same Gitspace, to SSH", api, `8022--${host}`, "ada", {}, 401],
  ["the IDE of the same Gitspace", host, api, "ada", {}, 204],
] as const)("a preflight from %s", async (_name, from, to, owner, ports, status) => {
  await publish({ gitspaceId: BOB, owner });
  await publish({ gitspaceId: ADA, ports });
  const answer = await preflight(at(from), to);
  expect(answer.status).toBe(status);
  expect(answer.header("access-control-allow-origin")).toBe(status === 204 ? at(from) : undefined);
  await publish({ gitspaceId: ADA });
});

test.each([
  "https://5173--hello-k3v9x2.gitspaces.localhost:7401",
  "http://5173--hello-k3v9x2.gitspaces.localhost",
  "http://5173--hello-k3v9x2.gitspaces.localhost:7402",
  "http://5173--hello-k3v9x2.gitspaces.localhost.evil.test:7401",
  "http://x.5173--hello-k3v9x2.gitspaces.localhost:7401",
  "http://3000--hello-k3v9x2.gitspaces.localhost:7401",
  "http://u@5173--hello-k3v9x2.gitspaces.localhost:7401",
  "null",
  "",
])("%j is no sibling of port 3000", (origin) => {
  const site = { host: `${api}:7401`, hostname: api, target: { gitspaceId: ADA, port: 3000 } };
  const where = { site, scheme: "http", domain: DOMAIN, find: () => undefined };
  expect(siblingOrigin({ origin: "http://5173--hello-k3v9x2.gitspaces.localhost:7401" }, where)).toBeDefined();
  expect(siblingOrigin({ origin }, where)).toBeUndefined();
});
