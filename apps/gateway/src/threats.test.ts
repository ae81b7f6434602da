// The threats that name the gateway, one test and more for each, by their number in the threat table. Limits, TLS, SSH and tunnels
// have theirs beside their own code.
import { createHmac, generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import type { Logger } from "@gitspaces/daemon";
import type { AccessDocument } from "@gitspaces/contracts";
import { makePass } from "@gitspaces/contracts/passes";
import { integer, assert, asyncProperty, nat } from "fast-check";
import { SignJWT } from "jose";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { cookieNames, linkCookieName, linkCookies, ownCookie, setCookie } from "./cookies.ts";
import { headerPolicy } from "./header-policy.ts";
import { PassUses } from "./passes/pass-uses.ts";
import { raw, readAnswer } from "./testing/raw-http.ts";
import { sha256 } from "./testing/control-plane.ts";
import { ADA, BOB, DOMAIN, openStreet, type Street, until } from "./testing/street.ts";

let street: Street;
let own: string;
const host = `${ADA}.${DOMAIN}`;
const authority = (): string => `${host}:${street.gateway.address.port}`;

beforeAll(async () => {
  street = await openStreet();
  await publish({ gitspaceId: ADA });
  await publish({ gitspaceId: BOB, owner: "bob" });
  await street.setRoute();
  await street.setRoute({ gitspaceId: BOB });
  await until(() => street.gateway.house.routes.find(BOB) !== undefined, "the routes are known");
  own = `Cookie: ${await street.cookie("ada")}`;
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
const lines = (first: string, ...headers: string[]): string => [first, ...headers, "", ""].join("\r\n");
const get = (path: string, ...headers: string[]): string => lines(`GET ${path} HTTP/1.1`, "Host: HOST", ...headers);
const seen = (): number => street.inside.requests.length;

// T1: a Gitspace rides a person's session to another one, or to the API.

test("T1: a session's cookie is bound to one host: of another Gitspace, and of another port, it opens nothing", async () => {
  const bobs = `Cookie: ${await street.cookie("bob", `${BOB}.${DOMAIN}`)}`;
  expect((await street.ask(get("/", bobs), `${BOB}.${DOMAIN}`)).status).toBe(200);
  expect((await street.ask(get("/", bobs))).status).toBe(303);
  expect((await street.ask(get("/", own), `3000--${host}`)).status).toBe(303);
  expect(seen()).toBe(1);
});

test("T1: over https our cookie can be set by its host alone, for itself alone, and read by no script", () => {
  const names = cookieNames("test", "https");
  expect(names.session).toBe("__Host-gs-test");
  const cookie = setCookie(names.session, "x", { path: "/", maxAgeSeconds: 60, secure: names.secure });
  expect(cookie.split("; ").toSorted()).toEqual([
    "HttpOnly",
    "Max-Age=60",
    "Path=/",
    "SameSite=Lax",
    "Secure",
    "__Host-gs-test=x",
  ]);
});

const arrival = { host: `${host}:443`, scheme: "https", clientAddress: "192.0.2.1", installation: "test" };

test.each([
  "__Host-gs-test=x; Path=/; Secure",
  "__Secure-gs-nonce-test=x; Path=/.gitspaces; Secure",
  "gs-test=x",
  "GS-TEST=x",
  " gs-test =x",
  "=gs-test=x",
  "==__Host-gs-test=x",
  "__host-gs-test=x",
  "__Host-gs-link-test-abcdefghijkl=x",
  "gs-link-test-abcdefghijkl=x",
  "gs-nonce-test=x",
  `theirs=x; Domain=${DOMAIN}`,
  `theirs=x; domain=.${DOMAIN}`,
  `theirs=x; DOMAIN = "${DOMAIN}"`,
  `theirs=x; Domain=${host}; Domain=${DOMAIN}`,
  "theirs=x; Domain=localhost",
])("T1: a Gitspace can not set %j", (value) => {
  const policy = headerPolicy(arrival);
  expect(policy.response(["Set-Cookie", value, "Set-Cookie", "theirs=kept; Path=/"])).toEqual([
    "Set-Cookie",
    "theirs=kept; Path=/",
  ]);
});

test("T1: a Gitspace can not sign a browser out of its siblings by clearing what the domain shares", () => {
  expect(headerPolicy(arrival).response(["Clear-Site-Data", '"cookies"', "X-Kept", "1"])).toEqual(["X-Kept", "1"]);
});

test.each([
  ["__Host-gs-test=x; theirs=1", "theirs=1"],
  ["theirs=1;gs-test=x;__Secure-gs-nonce-test=y", "theirs=1"],
  ["theirs=1; __Host-gs-link-test-abcdefghijkl=x; gs-testing=2", "theirs=1; gs-testing=2"],
  ["gs-test=x", undefined],
])("T1: of the cookies %j a Gitspace sees %j", (sent, passed) => {
  const kept = headerPolicy(arrival).request(["Cookie", sent]);
  expect(kept[kept.indexOf("Cookie") + 1]).toBe(kept.includes("Cookie") ? passed : kept[0]);
  expect(kept.includes("Cookie")).toBe(passed !== undefined);
});

test("T1: over https a sibling's cookies with names of links neither count as links nor push those of this host out", () => {
  const tossed = Array.from({ length: 20 }, (_, index) => `gs-link-test-${String(index).padStart(12, "a")}=tossed`);
  const own = `${linkCookieName("abcdefghijkl", "test", true)}=own`;
  expect(linkCookies([...tossed, own].join("; "), "test", true)).toEqual(["own"]);
  expect(linkCookies(`${linkCookieName("abcdefghijkl", "test", false)}=own`, "test", false)).toEqual(["own"]);
});

test("T1: every name that a cookie of ours may have is known as ours, and no name of a neighbour's installation is taken", () => {
  for (const scheme of ["http", "https"]) {
    const { session, nonce } = cookieNames("test", scheme);
    expect([ownCookie(session, "test"), ownCookie(nonce, "test")]).toEqual([true, true]);
  }
  expect(ownCookie("__Host-gs-test2", "test")).toBe(false);
});

// T2: a page of somebody else opens a WebSocket, or posts, with the person's cookie.

const upgrade = (...headers: string[]): string => get("/ws", "Connection: Upgrade", "Upgrade: websocket", ...headers);

test.each([
  ["https://evil.test", 403],
  [`http://${BOB}.${DOMAIN}:PORT`, 403],
  [`http://3000--${host}:PORT`, 403],
  [`https://${host}:PORT`, 403],
  [`http://${host}`, 403],
  [`http://${host}:PORT.evil.test`, 403],
  ["null", 403],
  ["", 403],
  [`http://${host}:PORT`, 101],
])("T2: an upgrade with the person's cookie from the origin %j is %i", async (origin, status) => {
  const from = `Origin: ${origin.replace("PORT", String(street.gateway.address.port))}`;
  expect((await street.ask(upgrade(own, from))).status).toBe(status);
  expect(seen()).toBe(status === 101 ? 1 : 0);
});

test("T2: what the browser says of the site counts beside the origin", async () => {
  const mine = `Origin: http://${authority()}`;
  expect((await street.ask(upgrade(own, mine, "Sec-Fetch-Site: cross-site"))).status).toBe(403);
  expect((await street.ask(upgrade(own, mine, "Sec-Fetch-Site: same-origin"))).status).toBe(101);
  const post = (...headers: string[]) =>
    street.ask(lines("POST / HTTP/1.1", "Host: HOST", "Content-Length: 0", own, ...headers));
  expect((await post("Origin: https://evil.test")).status).toBe(403);
  expect((await post("Sec-Fetch-Site: cross-site")).status).toBe(403);
  expect((await post("Origin: null")).status).toBe(403);
  expect(seen()).toBe(1);
});

// T3: a secret in an address leaks by referrer, history or log. Links have theirs beside them.

test("T3: a code is good once, for its browser; no answer names a secret, and what the next page learns has none", async () => {
  const left = await street.ask(get("/a?b=1"));
  const nonce = new URL(left.header("location") ?? "").searchParams.get("nonce") ?? "";
  const cookie = `Cookie: ${(left.header("set-cookie") ?? "").split(";")[0]}`;
  const code = await street.controlPlane.code({ gitspaceId: ADA, user: "ada", nonce });
  const arrive = (...headers: string[]) => street.ask(get(`/.gitspaces/sign-in?code=${code}&to=/a`, ...headers));
  expect((await arrive()).status).toBe(401);
  const arrived = await arrive(cookie);
  expect([arrived.status, arrived.header("location")]).toEqual([303, "/a"]);
  expect([arrived.header("referrer-policy"), arrived.header("cache-control")]).toEqual(["no-referrer", "no-store"]);
  expect((await arrive(cookie)).status).toBe(401);
  expect(nonce).toBe(sha256(cookie.split("=")[1] ?? ""));
});

test("T3: the log of a pass names its id and the path, and neither its secret nor a query", async () => {
  const written: unknown[] = [];
  const log = { info: (fields: object, text: string) => void written.push({ ...fields, text }) } as unknown as Logger;
  const { id, text, key } = makePass("link");
  await publish({
    gitspaceId: ADA,
    passes: [{ id, kind: "link", key, ports: [3000], path: "/", expiresAt: Date.now() + 60_000 }],
  });
  const { house } = street.gateway;
  const usual = house.uses;
  house.uses = new PassUses(house.clock, log);
  const name = `3000--${host}`;
  const answer = await street.ask(get(`/a?secret=${text}`, `Authorization: Bearer ${text}`), name);
  house.uses = usual;
  expect(answer.status).toBe(200);
  const about = { gitspaceId: ADA, pass: id, port: 3000, address: "127.0.0.1" };
  expect(written).toEqual([{ ...about, method: "GET", path: "/a", text: "a pass was used" }]);
  await publish({ gitspaceId: ADA });
});

// T4: a forged or altered proof.

test("T4: any one flipped bit of a session's cookie makes it none", async () => {
  const [name = "", value = ""] = (await street.cookie("ada")).split("=");
  await assert(
    asyncProperty(nat(), integer({ min: 0, max: 7 }), async (place, bit) => {
      const bytes = Buffer.from(value);
      const at = place % bytes.length;
      bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
      const read = await street.gateway.house.sessions.read(`${name}=${bytes.toString("latin1")}`, host);
      expect(read).toBeUndefined();
    }),
    { numRuns: 300 },
  );
});

const claims = { org: "engine", sid: "s" };
const jwt = (header: { alg: string; typ?: string }, key: Parameters<SignJWT["sign"]>[0], audience = host) =>
  new SignJWT(claims)
    .setProtectedHeader(header)
    .setSubject("ada")
    .setAudience(audience)
    .setIssuedAt()
    .setExpirationTime("1h")
    .sign(key);
const sessionKey = Buffer.from("ab".repeat(32), "hex");
const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const soon = Math.floor(Date.now() / 1_000) + 600;

test.each([
  [
    "no algorithm",
    async () =>
      `${encoded({ alg: "none", typ: "gitspaces-session+jwt" })}.${encoded({ ...claims, sub: "ada", aud: host, iat: soon - 700, exp: soon })}.`,
  ],
  [
    "a public key as its secret",
    async () =>
      jwt({ alg: "HS256", typ: "gitspaces-session+jwt" }, Buffer.from(JSON.stringify(street.controlPlane.keys))),
  ],
  [
    "another algorithm of the same key",
    async () => jwt({ alg: "HS512", typ: "gitspaces-session+jwt" }, Buffer.concat([sessionKey, sessionKey])),
  ],
  [
    "the algorithm of codes",
    async () => jwt({ alg: "EdDSA", typ: "gitspaces-session+jwt" }, generateKeyPairSync("ed25519").privateKey),
  ],
  ["another kind of token by the same key", async () => jwt({ alg: "HS256", typ: "gitspaces-link+jwt" }, sessionKey)],
  ["no kind", async () => jwt({ alg: "HS256" }, sessionKey)],
  ["another host", async () => jwt({ alg: "HS256", typ: "gitspaces-session+jwt" }, sessionKey, `${BOB}.${DOMAIN}`)],
])("T4: a session with %s opens nothing", async (_name, make) => {
  const made = await make();
  expect((await street.ask(get("/", `Cookie: gs-test=${made}`))).status).toBe(303);
  expect(seen()).toBe(0);
});

test("T4: the test's own way of making sessions makes good ones", async () => {
  const made = await jwt({ alg: "HS256", typ: "gitspaces-session+jwt" }, sessionKey);
  expect((await street.ask(get("/", `Cookie: gs-test=${made}`))).status).toBe(200);
  expect(
    createHmac("sha256", sessionKey)
      .update(made.slice(0, made.lastIndexOf(".")))
      .digest("base64url"),
  ).toBe(made.split(".").at(-1));
});

// T5: after the end of access a live connection goes on.

async function openSocket(cookie: string): Promise<Socket> {
  const socket = connect(street.gateway.address.port, "127.0.0.1");
  socket.on("error", () => {});
  socket.write(upgrade(cookie, `Origin: http://${authority()}`).replace("HOST", authority()));
  expect((await readAnswer(socket)).status).toBe(101);
  return socket;
}
async function closing(socket: Socket, end: () => Promise<unknown>): Promise<number> {
  const closed = once(socket, "close");
  socket.resume();
  const from = performance.now();
  await end();
  await closed;
  return performance.now() - from;
}

test("T5: a live socket is closed within two seconds of a stop, a sign-out here, a revocation, and another owner", async () => {
  const signOut = lines(
    "POST /.gitspaces/sign-out HTTP/1.1",
    "Host: HOST",
    "Content-Length: 0",
    own,
    `Origin: http://${authority()}`,
  );
  const ends: [string, () => Promise<unknown>][] = [
    ["sign-out", () => street.ask(signOut)],
    ["stop", () => publish({ gitspaceId: ADA, state: "stopping", generation: 2 })],
    [
      "revocation",
      () => street.controlPlane.revoke({ user: "ada", session: "session-of-ada", before: Date.now() + 1 }),
    ],
    ["another owner", () => publish({ gitspaceId: ADA, owner: "bob" })],
    ["deletion", () => publish({ gitspaceId: ADA, state: "deleted" })],
  ];
  for (const [name, end] of ends) {
    await publish({ gitspaceId: ADA });
    await street.setRoute();
    const fresh = `Cookie: ${await street.cookie("ada", host, Date.now() + 5_000)}`;
    const cookie = name === "revocation" || name === "sign-out" ? own : fresh;
    const socket = await openSocket(cookie);
    expect([name, (await closing(socket, end)) < 2_000]).toEqual([name, true]);
  }
  await publish({ gitspaceId: ADA });
  own = `Cookie: ${await street.cookie("ada", host, Date.now() + 5_000)}`;
});

// T6: somebody makes the gateway dial where it should not.

test.each([
  "169.254.169.254",
  "127.0.0.1",
  "2130706433",
  "0x7f000001",
  "017700000001",
  "127.1",
  "0",
  "[::1]",
  "[::ffff:127.0.0.1]",
  "[fd00::1]",
  "metadata.google.internal",
  "localhost",
  "localhost.localdomain",
  DOMAIN,
  `127.0.0.1.${DOMAIN}`,
  `22--127.0.0.1.${DOMAIN}`,
  `8083--guess-abc123.${DOMAIN}`,
  `0--${host}`,
  `65536--${host}`,
  `-1--${host}`,
  `03000--${host}`,
  `3000--${host}.`,
  `0x50--${host}`,
  `3000--3000--${host}`,
  `3000---${host}`,
])("T6: the host %s leads nowhere, and nothing is dialled", async (name) => {
  const { dialled } = street.agent;
  const answer = await raw(street.gateway.address.port, get("/", own).replace("HOST", name));
  expect([303, 400, 404]).toContain(answer.status);
  expect([street.agent.dialled, seen()]).toEqual([dialled, 0]);
});

// T8: a client's word on who it is and how it came is believed.

test.each([
  "X-Forwarded-For",
  "X-Forwarded-Host",
  "X-Forwarded-Proto",
  "X-Forwarded-Port",
  "X-Forwarded-User",
  "x-FORWARDED-for",
  "Forwarded",
  "X-Real-IP",
  "X-Gs-User",
  "Gs-Gitspace",
  "X_Forwarded_For",
  "X-Forwarded_For",
  "X_Gs_User",
  "Proxy-Authorization",
  "Proxy-Connection",
  "Proxy",
])("T8: what a client says in %s does not reach the Gitspace", async (name) => {
  await street.ask(get("/", own, `${name}: forged-value`));
  const headers = street.inside.requests[0]?.rawHeaders ?? [];
  expect(seen()).toBe(1);
  expect(headers).not.toContain("forged-value");
  expect(headers.filter((each) => /^x-forwarded-for$/i.test(each))).toHaveLength(1);
});

test("T8: what a client names in Connection is dropped, but never what keeps requests apart or proves who asks", async () => {
  await street.ask(
    get(
      "/",
      own,
      "Cookie: theirs=1",
      "Connection: X-Named, Cookie, Authorization, Host, close",
      "X-Named: 1",
      "Authorization: Basic eA==",
    ),
  );
  const headers = street.inside.requests[0]?.headers ?? {};
  expect([headers["x-named"], headers.cookie, headers.authorization, headers.host]).toEqual([
    undefined,
    "theirs=1",
    "Basic eA==",
    authority(),
  ]);
});

// T9: two parties disagree on which host is meant.

test.each([
  ["two hosts", (at: string) => lines("GET / HTTP/1.1", `Host: ${at}`, "Host: evil.test")],
  ["two equal hosts", (at: string) => lines("GET / HTTP/1.1", `Host: ${at}`, `Host: ${at}`)],
  ["no host", () => lines("GET / HTTP/1.1")],
  ["an absolute-form target", (at: string) => lines(`GET http://${at}/ HTTP/1.1`, `Host: ${at}`)],
  ["an absolute-form target of another host", (at: string) => lines("GET http://evil.test/ HTTP/1.1", `Host: ${at}`)],
  ["an authority-form target", (at: string) => lines(`CONNECT ${at} HTTP/1.1`, `Host: ${at}`)],
  ["userinfo in the host", (at: string) => lines("GET / HTTP/1.1", `Host: ada@${at}`)],
  ["a path in the host", (at: string) => lines("GET / HTTP/1.1", `Host: ${at}/x`)],
  ["a list of hosts", (at: string) => lines("GET / HTTP/1.1", `Host: ${at}, evil.test`)],
  ["a tab in the host", (at: string) => lines("GET / HTTP/1.1", `Host: ${at}\tevil.test`)],
  ["a null in the host", (at: string) => lines("GET / HTTP/1.1", `Host: ${at}\u0000`)],
  ["HTTP/1.0 without a host", () => lines("GET / HTTP/1.0")],
])("T9: %s is refused and reaches nobody", async (_name, make) => {
  const head = make(authority()).replace(/\r\n\r\n$/, `\r\n${own}\r\n\r\n`);
  const answer = await raw(street.gateway.address.port, head);
  expect([0, 400, 404, 405]).toContain(answer.status);
  expect(seen()).toBe(0);
});

test("T9: a Gitspace that is not there and one that is somebody else's answer with the same bytes", async () => {
  const shape = ({ status, head, body }: Awaited<ReturnType<Street["ask"]>>) => [
    status,
    head.replace(/Date: .*/, ""),
    body,
  ];
  const nobodys = `guess-abc123.${DOMAIN}`;
  for (const headers of [[], ["Accept: application/json", "Sec-Fetch-Mode: cors"]]) {
    const [there, missing] = await Promise.all(
      [`${BOB}.${DOMAIN}`, nobodys].map(async (name) =>
        street.ask(get("/x", ...headers, `Cookie: ${await street.cookie("ada", name, Date.now() + 5_000)}`), name),
      ),
    );
    expect(there && shape(there)).toEqual(missing && shape(missing));
    expect(there?.status).toBe(404);
  }
});

// T10: one request is two to somebody else.

test.each([
  ["CL.TE", ["Content-Length: 6", "Transfer-Encoding: chunked"], "0\r\n\r\nG"],
  ["TE.CL", ["Transfer-Encoding: chunked", "Content-Length: 3"], "1\r\nG\r\n0\r\n\r\n"],
  ["TE.TE, one of them unknown", ["Transfer-Encoding: chunked", "Transfer-Encoding: x"], "0\r\n\r\n"],
  ["an unknown coding", ["Transfer-Encoding: xchunked"], "0\r\n\r\n"],
  ["chunked not last", ["Transfer-Encoding: chunked, identity"], "0\r\n\r\n"],
  ["a coding after a tab", ["Transfer-Encoding:\u000bchunked"], "0\r\n\r\n"],
  ["two lengths", ["Content-Length: 1", "Content-Length: 2"], "GG"],
  ["a list of lengths", ["Content-Length: 1, 2"], "GG"],
  ["a signed length", ["Content-Length: +1"], "G"],
  ["a hexadecimal length", ["Content-Length: 0x1"], "G"],
  ["a space before the colon", ["Content-Length : 1"], "G"],
  ["a folded header", ["X-A: b\r\n Content-Length: 5"], ""],
  ["a bare line feed", ["X-A: b\nContent-Length: 5"], ""],
  ["a bare carriage return", ["X-A: b\rContent-Length: 5"], ""],
  ["a chunk size that is none", ["Transfer-Encoding: chunked"], "0x1\r\nG\r\n0\r\n\r\n"],
  ["a chunk that ends otherwise", ["Transfer-Encoding: chunked"], "1\r\nGG\r\n0\r\n\r\n"],
  ["a chunk extension with a line feed", ["Transfer-Encoding: chunked"], "1;a\nb\r\nG\r\n0\r\n\r\n"],
  ["an upgrade with a body", ["Connection: Upgrade", "Upgrade: websocket", "Content-Length: 1"], "G"],
])(
  "T10: %s is not answered by the Gitspace, and the connection is good for nothing more",
  async (_name, headers, body) => {
    const after = get("/smuggled", own).replace("HOST", authority());
    const head = lines(
      "POST /first HTTP/1.1",
      `Host: ${authority()}`,
      own,
      `Origin: http://${authority()}`,
      ...headers,
    );
    const socket = connect(street.gateway.address.port, "127.0.0.1");
    socket.on("error", () => {});
    let text = "";
    socket.on("data", (chunk: Buffer) => void (text += chunk.toString("latin1")));
    const closed = once(socket, "close");
    socket.write(head + body + after);
    setTimeout(() => socket.end(), 150).unref();
    await closed;
    expect(text).not.toMatch(/^HTTP\/1\.1 200/m);
    expect(street.inside.requests.map(({ url }) => url)).not.toContain("/smuggled");
  },
);

test("T10: bytes behind a refused upgrade are not a request to anybody", async () => {
  const usual = street.inside.server.listeners("upgrade");
  street.inside.server.removeAllListeners("upgrade");
  street.inside.server.on("upgrade", (request, socket: Socket) => {
    street.inside.requests.push(request);
    socket.resume().end("HTTP/1.1 426 No\r\nContent-Length: 2\r\n\r\nno");
  });
  const head = upgrade(own, `Origin: http://${authority()}`).replace("HOST", authority());
  const answer = await raw(street.gateway.address.port, head + get("/smuggled", own).replace("HOST", authority()));
  street.inside.server.removeAllListeners("upgrade");
  for (const listener of usual) street.inside.server.on("upgrade", listener as () => void);
  expect(answer.status).toBe(426);
  expect(street.inside.requests.map(({ url }) => url)).toEqual(["/ws"]);
});

test.each(["h2c", "H2C", "websocket, h2c"])(
  "T10: an upgrade to %s, behind which requests would be judged by nobody, is a request without one",
  async (protocol) => {
    const origin = `Origin: http://${authority()}`;
    const settings = ["Connection: Upgrade, HTTP2-Settings", `Upgrade: ${protocol}`, "HTTP2-Settings: AAMAAABk"];
    const asking = get("/", own, origin, ...settings);
    const answer = await street.ask(asking);
    expect([answer.status, answer.body]).toEqual([200, "inside"]);
    const { headers } = street.inside.requests[0] ?? {};
    expect([headers?.upgrade, headers?.["http2-settings"], seen()]).toEqual([undefined, undefined, 1]);
  },
);

test("T10: sockets into one Gitspace are never used for another, whatever else is the same", async () => {
  const bobs = `Cookie: ${await street.cookie("bob", `${BOB}.${DOMAIN}`)}`;
  const sockets = new Map<string, Set<unknown>>([
    ["ada", new Set()],
    ["bob", new Set()],
  ]);
  for (let count = 0; count < 6; count++) {
    await street.ask(get("/", own));
    sockets.get("ada")?.add(street.inside.requests.at(-1)?.socket);
    await street.ask(get("/", bobs), `${BOB}.${DOMAIN}`);
    sockets.get("bob")?.add(street.inside.requests.at(-1)?.socket);
  }
  const [ada, bob] = [sockets.get("ada") ?? new Set(), sockets.get("bob") ?? new Set()];
  expect([ada.size > 0, bob.size > 0, [...ada].some((socket) => bob.has(socket))]).toEqual([true, true, false]);
});

// T11: another spelling reaches the gateway's own paths, or past them.

test.each([
  "/%2egitspaces/sign-out",
  "/.gitspaces%2fsign-out",
  "/x/../.gitspaces/sign-out",
  "/x/..%2f.gitspaces/sign-out",
  "/x/..;/.gitspaces/sign-out",
  "/.gitspaces\\sign-out",
  "//.gitspaces/sign-out",
  "/./.gitspaces/sign-out",
  "/.gitspaces%00/sign-out",
  "/.GITSPACES/sign-out",
  "/.gitspacesx/sign-out",
  "/%2E%2E/healthz",
  "/healthz",
  "/readyz",
  "/metrics",
])("T11: %s is the Gitspace's own path, byte for byte", async (path) => {
  const answer = await street.ask(get(path, own));
  expect([answer.status, answer.body]).toEqual([200, "inside"]);
  expect(street.inside.requests[0]?.url).toBe(path);
});

test.each([
  "/.gitspaces",
  "/.gitspaces/",
  "/.gitspaces/..",
  "/.gitspaces/../x",
  "/.gitspaces/%2e%2e/x",
  "/.gitspaces/healthz",
  "/.gitspaces?x",
  "/.gitspaces/nothing",
])("T11: %s stays with the gateway", async (path) => {
  expect((await street.ask(get(path, own))).status).toBe(404);
  expect(seen()).toBe(0);
});

// T27: what a gateway that was broken into could forge.

test("T27: nothing a gateway keeps of access signs anything: public keys and documents, and no half that is secret", async () => {
  await publish({ gitspaceId: ADA });
  const file = `${street.folder}/gateway/access.json`;
  await until(
    () => readFileSync(file, "utf8").includes(`"lastEventId":"${street.controlPlane.version}"`),
    "it was kept",
  );
  const kept = JSON.parse(readFileSync(file, "utf8")) as { keys: { keys: object[] } };
  expect(
    kept.keys.keys.flatMap((key) => Object.keys(key)).filter((member) => ["d", "k", "p", "q"].includes(member)),
  ).toEqual([]);
});
