// Tokens and links at a whole gateway: what they open, what they do not, and that nothing of them reaches the VM.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { AccessDocument, Pass } from "@gitspaces/contracts";
import { makePass, narrowPass } from "@gitspaces/contracts/passes";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { readAnswer } from "../testing/raw-http.ts";
import { ADA, BOB, DOMAIN, openStreet, type Street, until } from "../testing/street.ts";

let street: Street;
const host = `${ADA}.${DOMAIN}`;
const port = `3000--${host}`;
const link = makePass("link");
const token = makePass("token");
const hour = Date.now() + 3_600_000;
const linkPass: Pass = { id: link.id, kind: "link", key: link.key, ports: [3000], path: "/", expiresAt: hour };
const tokenPass: Pass = { id: token.id, kind: "token", key: token.key, path: "/", expiresAt: hour };

beforeAll(async () => {
  street = await openStreet();
  await publish({});
  await street.setRoute();
  await until(() => street.gateway.house.routes.find(ADA) !== undefined, "the route is known");
});
afterAll(async () => street[Symbol.asyncDispose]());
beforeEach(() => {
  street.inside.requests.length = 0;
});

async function publish(document: Partial<AccessDocument>): Promise<void> {
  const passes = [linkPass, tokenPass];
  await street.controlPlane.publish({ gitspaceId: ADA, passes, ...document });
  const { version } = street.controlPlane;
  await until(() => street.gateway.house.access.find(ADA)?.version === version, "the document came");
}
const lines = (first: string, ...headers: string[]): string => [first, "Host: HOST", ...headers, "", ""].join("\r\n");
const get = (path: string, ...headers: string[]): string => lines(`GET ${path} HTTP/1.1`, ...headers);
const bearer = (text: string): string => `Authorization: Bearer ${text}`;
const at = (name: string): string => `http://${name}:${street.gateway.address.port}`;
const status = async (head: string, name = port): Promise<number> => (await street.ask(head, name)).status;

/** What the link's page does: gives the cookie that the browser has afterwards. */
async function openLink(text: string, name = port, ...headers: string[]) {
  const head = lines(
    "POST /.gitspaces/share HTTP/1.1",
    `Origin: ${at(name)}`,
    "Content-Length: 0",
    bearer(text),
    ...headers,
  );
  const answer = await street.ask(head, name);
  return { answer, cookie: `Cookie: ${(answer.header("set-cookie") ?? "").split(";")[0]}` };
}

test("a token opens what it names as its owner would, and stays with the gateway", async () => {
  expect(await status(get("/", bearer(token.text)))).toBe(200);
  expect(await status(lines("POST / HTTP/1.1", "Content-Length: 0", `authorization: bEARER  ${token.text}`))).toBe(200);
  expect(street.inside.requests).toHaveLength(2);
  expect(street.inside.requests.map(({ headers }) => headers.authorization)).toEqual([undefined, undefined]);
  // The IDE is a shell: a token that does not name it does not open it.
  expect(await status(get("/", bearer(token.text)), host)).toBe(401);
  await publish({ passes: [{ ...tokenPass, ports: [8089] }] });
  expect(await status(get("/", bearer(token.text)), host)).toBe(200);
  expect(await status(get("/", bearer(token.text)))).toBe(401);
  await publish({});
});

test("somebody else's Authorization header reaches the Gitspace untouched, beside a session and where a port is public", async () => {
  const cookie = `Cookie: ${await street.cookie("ada", port)}`;
  for (const value of ["Bearer eyJhbGciOi.J9.x", "Basic YTpi", "Digest username=a", "Bearer"]) {
    expect(await status(get("/", cookie, `AuthoriZation: ${value}`))).toBe(200);
    expect(street.inside.requests.at(-1)?.headers.authorization).toBe(value);
  }
  await publish({ ports: { "3000": "public" } });
  expect(await status(get("/", "Authorization: Bearer theirs"))).toBe(200);
  expect(street.inside.requests.at(-1)?.headers.authorization).toBe("Bearer theirs");
  await publish({});
});

test("a wrong token is 401 with the reason, whatever cookie is beside it, and the same where no Gitspace is", async () => {
  const cookie = `Cookie: ${await street.cookie("ada", port)}`;
  const wrong = makePass("token").text;
  const answer = await street.ask(get("/", cookie, bearer(wrong)), port);
  expect([answer.status, answer.header("www-authenticate")]).toEqual([401, 'Bearer error="invalid_token"']);
  const nobodys = await street.ask(get("/", bearer(wrong)), `3000--guess-abc123.${DOMAIN}`);
  expect([nobodys.status, nobodys.body]).toEqual([401, answer.body]);
  for (const tried of [`${token.text}x`, "gsp_personal", "gsa_", link.text.replace("gsl_", "gsa_")])
    expect([tried, await status(get("/", bearer(tried)))]).toEqual([tried, 401]);
  expect(await status(get("/", bearer(token.text), bearer(token.text)))).not.toBe(200);
  expect(street.inside.requests).toHaveLength(0);
});

test("a token opens nothing of another Gitspace, nor after its time", async () => {
  await street.controlPlane.publish({ gitspaceId: BOB });
  await until(() => street.gateway.house.access.find(BOB) !== undefined, "the document came");
  expect(await status(get("/", bearer(token.text)), `3000--${BOB}.${DOMAIN}`)).toBe(401);
  await publish({ passes: [{ ...tokenPass, expiresAt: Date.now() - 1 }] });
  expect(await status(get("/", bearer(token.text)))).toBe(401);
  await publish({});
});

test("T3: a link's page gets a cookie for its secret and goes on to a clean address; no answer repeats the secret", async () => {
  const page = await street.ask(get("/.gitspaces/share", "Accept: text/html"), port);
  expect([page.status, page.header("cache-control")]).toEqual([200, "no-store"]);
  expect(page.header("content-security-policy")).toContain("default-src 'none'");
  const { answer, cookie } = await openLink(narrowPass(link.text, { path: "/docs" }));
  expect([answer.status, JSON.parse(answer.body)]).toEqual([200, { to: "/docs" }]);
  expect(answer.header("set-cookie")).toMatch(
    /^gs-link-test-[a-z0-9]{12}=[\w.-]+; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Lax$/,
  );
  expect(answer.head + answer.body).not.toContain(link.text.split(".").at(-1));
  expect(await status(get("/docs/a?b=c", "X-A: b", cookie.replace("Cookie: ", "Cookie: theme=dark; ")))).toBe(200);
  expect(street.inside.requests.at(-1)?.headers.cookie).toBe("theme=dark");
});

test("a link's cookie is good on its own host alone, and opens neither the IDE nor another port", async () => {
  const { cookie } = await openLink(link.text);
  expect(await status(get("/", cookie))).toBe(200);
  expect(await status(get("/", cookie), host)).toBe(303);
  expect(await status(get("/", cookie), `4000--${host}`)).toBe(303);
  expect(await status(get("/", bearer(link.text)), host)).toBe(401);
  expect((await openLink(link.text, host)).answer.status).toBe(401);
  await publish({ passes: [{ ...linkPass, ports: [8089] }] });
  expect((await openLink(link.text, host)).answer.status).toBe(401);
  expect(await status(get("/", bearer(link.text)), host)).toBe(401);
  await publish({});
});

test("a narrowed link opens what it names and tells about the rest, by cookie as by header", async () => {
  const narrow = narrowPass(link.text, { path: "/docs", methods: ["GET"] });
  const { cookie } = await openLink(narrow);
  const own = `Origin: ${at(port)}`;
  for (const proof of [cookie, bearer(narrow)]) {
    expect(await status(get("/docs", proof))).toBe(200);
    expect(await status(lines("POST /docs HTTP/1.1", proof, own, "Content-Length: 0"))).toBe(403);
    expect(await status(get("/docs/ws", proof, own, "Connection: Upgrade", "Upgrade: websocket"))).toBe(403);
    const beyond = await street.ask(get("/", proof), port);
    expect([beyond.status, beyond.body]).toEqual([403, expect.stringContaining("only /docs with GET")]);
  }
});

test.each([
  "/docs/../secret",
  "/docs/%2e%2e/secret",
  "/docs/%2E./secret",
  "/docs/..%2fsecret",
  "/docs/..%5csecret",
  "/docs/..\\secret",
  "/docs//secret",
  "/docs/..;/secret",
  "/docs/.;x=1/secret",
  "/docs/%252e%252e/secret",
  "/docs/%00",
  "/docs#/../../secret",
  "/docsx",
  "/Docs/a",
  "/%64ocs/a",
  "//docs/a",
  "/",
])("T11: a link to /docs does not open %s", async (path) => {
  const narrow = bearer(narrowPass(link.text, { path: "/docs" }));
  expect(await status(get(path, narrow))).toBeGreaterThanOrEqual(400);
  expect(street.inside.requests).toHaveLength(0);
});

test.each([
  "X-Original-URL: /secret",
  "x-original-uri: /secret",
  "X-Rewrite-URL: /secret",
  "X-HTTP-Method-Override: DELETE",
  "X-HTTP-Method: DELETE",
  "X-Method-Override: DELETE",
])(
  "T11: a narrowed link opens nothing together with %s, which a server may take for the request's own",
  async (line) => {
    for (const narrowing of [{ path: "/docs" }, { methods: ["GET"] }])
      expect(await status(get("/docs", bearer(narrowPass(link.text, narrowing)), line))).toBe(403);
    expect(street.inside.requests).toHaveLength(0);
    expect(await status(get("/docs", bearer(link.text), line))).toBe(200);
  },
);

test("a link is opened by its own page alone", async () => {
  const { port: number } = street.gateway.address;
  for (const header of [
    "Origin: null",
    "Origin: https://evil.test",
    `Origin: http://4000--${host}:${number}`,
    "X-No: origin",
  ]) {
    const head = lines("POST /.gitspaces/share HTTP/1.1", header, "Content-Length: 0", bearer(link.text));
    const answer = await street.ask(head, port);
    expect([header, answer.status, answer.header("set-cookie")]).toEqual([header, 403, undefined]);
  }
  expect((await openLink(token.text)).answer.status).toBe(401);
});

test("a person's own session counts before a link, and a link where the session opens nothing", async () => {
  const { cookie } = await openLink(narrowPass(link.text, { path: "/docs" }));
  const both = `${cookie}; ${await street.cookie("ada", port)}`;
  expect(await status(get("/", both))).toBe(200);
  const bobs = `${cookie}; ${await street.cookie("bob", port)}`;
  expect(await status(get("/docs", bobs))).toBe(200);
  expect(await status(get("/", bobs))).toBe(403);
});

async function openSocket(name: string, ...headers: string[]): Promise<Socket> {
  const socket = connect(street.gateway.address.port, "127.0.0.1");
  socket.on("error", () => {});
  const head = get("/ws", ...headers, `Origin: ${at(name)}`, "Connection: Upgrade", "Upgrade: websocket");
  socket.write(head.replace("HOST", `${name}:${street.gateway.address.port}`));
  expect((await readAnswer(socket)).status).toBe(101);
  return socket;
}

/** How long until the socket is closed, ms. */
async function closing(socket: Socket, end: () => Promise<void>): Promise<number> {
  const closed = once(socket, "close");
  socket.resume();
  const from = performance.now();
  await end();
  await closed;
  return performance.now() - from;
}

test("T5: a live socket is closed within two seconds when its link is taken back, its token revoked or its port closed", async () => {
  const { cookie } = await openLink(link.text);
  const byLink = await openSocket(port, cookie);
  const byToken = await openSocket(port, bearer(token.text));
  const byOwner = await openSocket(port, `Cookie: ${await street.cookie("ada", port)}`);
  expect(await closing(byLink, () => publish({ passes: [tokenPass] }))).toBeLessThan(2_000);
  expect([byToken.destroyed, byOwner.destroyed]).toEqual([false, false]);
  expect(await closing(byToken, () => publish({ passes: [] }))).toBeLessThan(2_000);
  expect(await status(get("/", cookie))).toBe(303);
  await publish({ ports: { "3000": "public" }, passes: [] });
  const byNobody = await openSocket(port);
  expect(await closing(byNobody, () => publish({ ports: { "3000": "organisation" }, passes: [] }))).toBeLessThan(2_000);
  expect(byOwner.destroyed).toBe(false);
  byOwner.destroy();
  await publish({});
});

test("every use is summed up for the control plane, by pass, port and address", async () => {
  street.gateway.house.uses.take();
  const { cookie } = await openLink(link.text);
  await street.ask(get("/a?secret=1", cookie), port);
  await street.ask(get("/b", cookie), port);
  await street.ask(get("/", bearer(token.text)), port);
  const about = { kind: "pass", gitspaceId: ADA, port: 3000, address: "127.0.0.1" };
  expect(street.gateway.house.uses.take()).toEqual([
    { ...about, pass: link.id, requests: 2, at: expect.any(Number) },
    { ...about, pass: token.id, requests: 1, at: expect.any(Number) },
  ]);
});
