import { connect, type Socket } from "node:net";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { request as httpsRequest } from "node:https";
import { text } from "node:stream/consumers";
import { redisKeys } from "@gitspaces/contracts";
import { clientTls } from "@gitspaces/daemon/certificates";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { readAnswer } from "./testing/raw-http.ts";
import { sha256 } from "./testing/control-plane.ts";
import { ADA, BOB, DOMAIN, openStreet, type Street, until } from "./testing/street.ts";

let street: Street;
let own: string;
const host = `${ADA}.${DOMAIN}`;
const get = (path: string, ...headers: string[]): string =>
  ["GET ", path, " HTTP/1.1\r\nHost: HOST\r\n", ...headers.map((line) => `${line}\r\n`), "\r\n"].join("");

beforeAll(async () => {
  street = await openStreet();
  await street.controlPlane.publish({ gitspaceId: ADA });
  await street.setRoute();
  await until(
    () => street.gateway.house.access.find(ADA) !== undefined && street.gateway.house.routes.find(ADA) !== undefined,
    "both are known",
  );
  own = await street.cookie("ada");
});
afterAll(async () => street[Symbol.asyncDispose]());
beforeEach(() => {
  street.inside.requests.length = 0;
});

test("the owner's request reaches the Gitspace, and its answer comes back", async () => {
  const answer = await street.ask(get("/a//b/..?q=%2e", `Cookie: theme=dark; ${own}`));
  expect(answer.status).toBe(200);
  expect(answer.body).toBe("inside");
  const seen = street.inside.requests[0];
  expect(seen?.url).toBe("/a//b/..?q=%2e");
  expect(seen?.headers.host).toBe(`${host}:${street.gateway.address.port}`);
  expect(seen?.headers.cookie).toBe("theme=dark");
  expect(seen?.headers["x-forwarded-for"]).toBe("127.0.0.1");
  expect(seen?.headers["x-forwarded-host"]).toBe(`${host}:${street.gateway.address.port}`);
  expect(seen?.headers["x-forwarded-proto"]).toBe("http");
});

test("what a client claims about its way is not believed", async () => {
  await street.ask(
    get(
      "/",
      `Cookie: ${own}`,
      "X-Gs-User: admin",
      "Connection: X-Gs-User, X-Named, close",
      "X-Named: 1",
      "X-Forwarded-For: 6.6.6.6",
      "X-Forwarded-Host: evil",
      "X-Forwarded-Proto: gopher",
      "X-Forwarded-Port: 1",
      "Forwarded: for=6.6.6.6",
      "X-Real-IP: 6.6.6.6",
      "Gs-Gitspace: x",
      "X_Gs_User: admin",
      "Proxy-Authorization: x",
      "TE: gzip",
    ),
  );
  const names = Object.keys(street.inside.requests[0]?.headers ?? {}).toSorted();
  expect(names).toEqual(["connection", "host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"]);
  expect(street.inside.requests[0]?.headers["x-forwarded-for"]).toBe("127.0.0.1");
});

test.each([
  ["two Host headers", get("/", "Host: evil.example"), 400],
  ["no Host header", "GET / HTTP/1.0\r\n\r\n", 400],
  ["an absolute-form target", `GET http://${host}/ HTTP/1.1\r\nHost: HOST\r\n\r\n`, 400],
  ["an asterisk", "OPTIONS * HTTP/1.1\r\nHost: HOST\r\n\r\n", 400],
  ["a Host with a path in it", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400],
  [
    "both framings",
    "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    400,
  ],
  ["an IP as host", "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 404],
  ["an IPv6 address as host", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 404],
  ["the domain itself", `GET / HTTP/1.1\r\nHost: ${DOMAIN}\r\n\r\n`, 404],
  ["a host below a Gitspace", `GET / HTTP/1.1\r\nHost: x.${host}\r\n\r\n`, 404],
  ["a port that is none", `GET / HTTP/1.1\r\nHost: 70000--${host}\r\n\r\n`, 404],
])("%s is refused", async (_name, head, status) => {
  const answer = await street.ask(head.replace("\r\n\r\n", `\r\nCookie: ${own}\r\n\r\n`));
  expect(answer.status).toBe(status);
  expect(street.inside.requests).toHaveLength(0);
});

const upgrade = (...headers: string[]): string => get("/ws", "Connection: Upgrade", "Upgrade: websocket", ...headers);

test.each([
  ["a foreign site", "Origin: https://evil.test", 403],
  ["a sibling Gitspace", `Origin: http://${BOB}.${DOMAIN}:PORT`, 403],
  ["another port of the same Gitspace", `Origin: http://3000--${host}:PORT`, 403],
  ["the other scheme", `Origin: https://${host}:PORT`, 403],
  ["another port number", `Origin: http://${host}:1`, 403],
  ["nobody (null)", "Origin: null", 403],
  ["no origin at all", "X-Nothing: here", 403],
  ["its own page", `Origin: http://${host}:PORT`, 101],
])("an upgrade from %s", async (_name, header, status) => {
  const origin = header.replace("PORT", String(street.gateway.address.port));
  const answer = await street.ask(upgrade(`Cookie: ${own}`, origin));
  expect(answer.status).toBe(status);
  expect(street.inside.requests).toHaveLength(status === 101 ? 1 : 0);
});

test("a page of a sibling can not post, even where the browser leaves the origin out", async () => {
  const post = (header: string): string =>
    `POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\nCookie: ${own}\r\n${header}\r\n\r\n`;
  const { port } = street.gateway.address;
  expect((await street.ask(post(`Origin: http://${BOB}.${DOMAIN}:${port}`))).status).toBe(403);
  expect((await street.ask(post("Sec-Fetch-Site: same-site"))).status).toBe(403);
  expect((await street.ask(post(`Origin: http://${host}:${port}`))).status).toBe(200);
  expect((await street.ask(post("X-From: curl"))).status).toBe(200);
});

test("another user's session sees the same bytes as a Gitspace that does not exist", async () => {
  const bobs = await street.ask(get("/", `Cookie: ${await street.cookie("bob")}`));
  const guessed = "guess-abc123";
  const nobodys = await street.ask(
    get("/", `Cookie: ${await street.cookie("bob", `${guessed}.${DOMAIN}`)}`),
    `${guessed}.${DOMAIN}`,
  );
  expect(bobs.status).toBe(404);
  expect(bobs.body).toBe(nobodys.body);
  expect(bobs.head.replace(/Date: .*/, "")).toBe(nobodys.head.replace(/Date: .*/, ""));
  expect(street.inside.requests).toHaveLength(0);
});

test.each([
  ["of another host", () => street.cookie("ada", `${BOB}.${DOMAIN}`)],
  ["of a port of the same Gitspace", () => street.cookie("ada", `3000--${host}`)],
  ["that ran out", () => street.cookie("ada", host, Date.now() - 4 * 3_600_000)],
  ["with a changed byte", async () => own.replace(/\.(?<first>.)/, (text) => (text === ".a" ? ".b" : ".a"))],
])("a cookie %s is no session", async (_name, cookie) => {
  const answer = await street.ask(get("/", `Cookie: ${await cookie()}`));
  expect(answer.status).toBe(303);
  expect(street.inside.requests).toHaveLength(0);
});

test("a planted cookie in front of the real one does not lock its owner out", async () => {
  expect((await street.ask(get("/", `Cookie: gs-test=planted; ${own}`))).status).toBe(200);
});

test("what a page fetches by itself is told 401 and not led through sign-in", async () => {
  expect((await street.ask(get("/x.js", "Sec-Fetch-Mode: no-cors"))).status).toBe(401);
  expect((await street.ask(upgrade(`Origin: http://${host}:${street.gateway.address.port}`))).status).toBe(401);
  const post = await street.ask("POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\n\r\n");
  expect(post.status).toBe(401);
  expect(JSON.parse(post.body)).toMatchObject({ code: "denied", status: 401 });
});

async function depart(path: string): Promise<{ nonce: string; cookie: string; query: URLSearchParams }> {
  const answer = await street.ask(get(path));
  const query = new URL(answer.header("location") ?? "").searchParams;
  return { nonce: query.get("nonce") ?? "", cookie: (answer.header("set-cookie") ?? "").split(";")[0] ?? "", query };
}

test("sign-in leads from the asked page to the control plane, and with a code back to it, once", async () => {
  const left = await street.ask(get("/deep/page?folder=%2Fwork"));
  expect(left.status).toBe(303);
  expect(left.header("set-cookie")).toMatch(
    /^gs-nonce-test=[\w-]{43}; Path=\/\.gitspaces; Max-Age=600; HttpOnly; SameSite=Lax$/,
  );
  const { nonce, cookie, query } = await depart("/deep/page?folder=%2Fwork");
  expect(query.get("host")).toBe(host);
  expect(query.get("to")).toBe("/deep/page?folder=%2Fwork");
  expect(nonce).toBe(sha256(cookie.split("=")[1] ?? ""));

  const code = await street.controlPlane.code({ gitspaceId: ADA, user: "ada", nonce });
  const arrive = get(
    `/.gitspaces/sign-in?code=${code}&to=${encodeURIComponent("/deep/page?folder=%2Fwork")}`,
    `Cookie: ${cookie}`,
  );
  const arrived = await street.ask(arrive);
  expect(arrived.status).toBe(303);
  expect(arrived.header("location")).toBe("/deep/page?folder=%2Fwork");
  expect(arrived.header("referrer-policy")).toBe("no-referrer");
  expect(arrived.header("cache-control")).toBe("no-store");
  const session = /^Set-Cookie: (gs-test=[^;]+); Path=\/; Max-Age=10800; HttpOnly; SameSite=Lax\r?$/m.exec(
    arrived.head,
  )?.[1];
  expect((await street.ask(get("/", `Cookie: ${session}`))).status).toBe(200);

  const replayed = await street.ask(arrive);
  expect(replayed.status).toBe(401);
  expect(replayed.head).not.toMatch(/gs-test=/);
});

test.each([
  ["for another Gitspace", { gitspaceId: BOB }],
  ["with another nonce", { nonce: sha256("another") }],
  ["of another issuer", { issuer: "http://evil.test" }],
  ["that ran out", { issuedAt: Date.now() - 120_000 }],
  ["that is another kind of token", { typ: "JWT" }],
])("a code %s signs nobody in", async (_name, wish) => {
  const { nonce, cookie } = await depart("/");
  const code = await street.controlPlane.code({ gitspaceId: ADA, user: "ada", nonce, ...wish });
  const arrived = await street.ask(get(`/.gitspaces/sign-in?code=${code}&to=/`, `Cookie: ${cookie}`));
  expect(arrived.status).toBe(401);
  expect(arrived.head).not.toMatch(/gs-test=/);
});

test("a port shared with the organisation or the world is open to just those", async () => {
  await street.controlPlane.publish({ gitspaceId: ADA, ports: { "3000": "organisation", "8089": "public" } });
  await until(() => street.gateway.house.access.find(ADA)?.ports["3000"] === "organisation", "the document came");
  const port = `3000--${host}`;
  expect((await street.ask(get("/", `Cookie: ${await street.cookie("bob", port)}`), port)).status).toBe(200);
  expect((await street.ask(get("/"), port)).status).toBe(303);
  expect((await street.ask(get("/"))).status).toBe(303);
  await street.controlPlane.publish({ gitspaceId: ADA, ports: { "3000": "public" } });
  await until(() => street.gateway.house.access.find(ADA)?.ports["3000"] === "public", "the document came");
  expect((await street.ask(get("/"), port)).status).toBe(200);
  await street.controlPlane.publish({ gitspaceId: ADA });
  await until(() => street.gateway.house.access.find(ADA)?.ports["3000"] === undefined, "the document came");
});

test("a server that breaks off is told as such, and not as a machine that is away", async () => {
  const usual = street.inside.answer;
  street.inside.answer = (request) => void request.socket.destroy();
  const page = await street.ask(get("/", `Cookie: ${own}`, "Accept: text/html"));
  street.inside.answer = usual;
  expect(page.status).toBe(502);
  expect(page.body).toContain("gave no answer");
  expect(page.body).not.toContain("can not be reached");
});

test("nothing listening on a port is said in words, to people and to programs", async () => {
  const port = `4000--${host}`;
  const cookie = `Cookie: ${await street.cookie("ada", port)}`;
  const page = await street.ask(get("/", cookie, "Accept: text/html"), port);
  expect(page.status).toBe(502);
  expect(page.body).toContain(`Nothing listens on port 4000 of ${ADA}`);
  expect(page.header("content-security-policy")).toContain("default-src 'none'");
  const problem = await street.ask(get("/", cookie, "Accept: application/json"), port);
  expect(problem.header("content-type")).toBe("application/problem+json");
  expect(JSON.parse(problem.body)).toMatchObject({ status: 502, code: "vm_unreachable" });
});

test.each([
  ["starting", "is starting"],
  ["stopping", "is stopping"],
  ["stopped", "is stopped"],
  ["error", "did not start"],
] as const)("a Gitspace that is %s says so, and the page learns of a change at once", async (state, words) => {
  await street.controlPlane.publish({ gitspaceId: ADA, state, name: "<b>Ada & co</b>" });
  await until(() => street.gateway.house.access.find(ADA)?.state === state, "the document came");
  const page = await street.ask(get("/", `Cookie: ${own}`, "Accept: text/html"));
  expect(page.status).toBe(503);
  expect(page.body).toContain(`&lt;b&gt;Ada &amp; co&lt;/b&gt; ${words}`);
  const waiting = street.ask(get("/.gitspaces/state?wait=1", `Cookie: ${own}`));
  await street.controlPlane.publish({ gitspaceId: ADA });
  expect(JSON.parse((await waiting).body)).toEqual({ gitspaceId: ADA, name: ADA, situation: "ready" });
  expect(street.inside.requests).toHaveLength(0);
});

test("a revocation ends live sockets and refuses the session from then on", async () => {
  const cookie = await street.cookie("ada");
  const socket = connect(street.gateway.address.port, "127.0.0.1");
  socket.write(
    upgrade(`Cookie: ${cookie}`, `Origin: http://${host}:${street.gateway.address.port}`).replace(
      "HOST",
      `${host}:${street.gateway.address.port}`,
    ),
  );
  expect((await readAnswer(socket)).status).toBe(101);
  const closed = once(socket, "close");
  await street.controlPlane.revoke({ user: "ada", session: "session-of-ada", before: Date.now() + 1 });
  socket.resume();
  await closed;
  expect((await street.ask(get("/", `Cookie: ${cookie}`))).status).toBe(303);
  await until(
    async () =>
      (await street.ask(get("/", `Cookie: ${await street.cookie("ada", host, Date.now() + 50)}`))).status === 200,
    "a new session works",
  );
  own = await street.cookie("ada", host, Date.now() + 50);
});

test("a route of another generation ends what ran over the old one, and no byte goes there again", async () => {
  const socket = connect(street.gateway.address.port, "127.0.0.1");
  socket.on("error", () => {});
  const at = `${host}:${street.gateway.address.port}`;
  socket.write(upgrade(`Cookie: ${own}`, `Origin: http://${at}`).replace("HOST", at));
  expect((await readAnswer(socket)).status).toBe(101);
  const closed = once(socket, "close");
  const dialled = street.agent.dialled;
  // The new VM has another name and key, at the address where the old one still answers.
  const next = street.authority.issue("vm", "vm-2");
  await street.setRoute({ generation: 2, instanceId: "vm-2", keyFingerprint: "not-the-old-key" });
  await street.controlPlane.publish({ gitspaceId: ADA, generation: 2 });
  socket.resume();
  await closed;
  await until(() => street.agent.open.size === 0, "no socket to the old VM is left");
  expect((await street.ask(get("/", `Cookie: ${own}`))).status).toBe(502);
  expect(street.agent.dialled).toBe(dialled);
  // An older change that arrives late is not believed.
  await street.change({
    change: "set",
    route: {
      gitspaceId: ADA,
      generation: 1,
      instanceId: "vm-1",
      address: "127.0.0.1",
      port: street.agent.port,
      keyFingerprint: "x",
    },
  });
  await street.setRoute({ generation: 2, instanceId: "vm-2", keyFingerprint: "not-the-old-key" });
  expect(street.gateway.house.routes.find(ADA)?.route.instanceId).toBe("vm-2");
  expect(next.installation).toBe("test");
  await street.setRoute({ generation: 3 });
  await street.controlPlane.publish({ gitspaceId: ADA, generation: 3 });
  await until(
    async () => (await street.ask(get("/", `Cookie: ${own}`))).status === 200,
    "the new generation is reached",
  );
});

test("tunnels to one agent go on from its TLS session, and the agent still knows who calls", async () => {
  const at = `${host}:${street.gateway.address.port}`;
  const { resumed } = street.agent;
  for (let count = 0; count < 3; count++) {
    const answer = await street.ask(upgrade(`Cookie: ${own}`, `Origin: http://${at}`));
    expect(answer.status).toBe(101);
  }
  expect(street.agent.resumed - resumed).toBeGreaterThanOrEqual(2);
});

test("a VM that answers with another key than the route's gets no byte", async () => {
  await street.controlPlane.publish({ gitspaceId: BOB });
  await street.setRoute({ gitspaceId: BOB, keyFingerprint: "someone-elses" });
  await until(() => street.gateway.house.access.find(BOB) !== undefined, "the document came");
  await until(() => street.gateway.house.routes.find(BOB) !== undefined, "the route came");
  const cookie = await street.cookie("ada", `${BOB}.${DOMAIN}`);
  const { dialled } = street.agent;
  const answer = await street.ask(get("/", `Cookie: ${cookie}`, "Accept: application/json"), `${BOB}.${DOMAIN}`);
  expect([answer.status, street.agent.dialled]).toEqual([502, dialled]);
  await street.redis.client.del(redisKeys.route(BOB));
  await street.change({ change: "removed", gitspaceId: BOB, generation: 1 });
  await until(() => street.gateway.house.routes.find(BOB) === undefined, "the route is gone");
});

test("what moves through the gateway counts as activity of its Gitspace, once", async () => {
  street.gateway.house.live.takeActivity();
  await street.ask(get("/", `Cookie: ${own}`));
  await until(() => street.gateway.house.live.size === 0, "the request is over");
  const [activity] = street.gateway.house.live.takeActivity();
  expect(activity).toMatchObject({ gitspaceId: ADA });
  expect(activity?.bytes).toBeGreaterThan(100);
  expect(street.gateway.house.live.takeActivity()).toEqual([]);
});

test("500 upgrades abandoned while the VM is silent leave no socket", async () => {
  const server = street.inside.server;
  const listeners = server.listeners("upgrade") as (() => void)[];
  server.removeAllListeners("upgrade");
  server.on("upgrade", (_request, socket: Socket) => {
    socket.on("error", () => socket.destroy());
    socket.resume().on("end", () => socket.end());
  });
  const at = `${host}:${street.gateway.address.port}`;
  const head = upgrade(`Cookie: ${own}`, `Origin: http://${at}`).replace("HOST", at);
  const pooled = street.agent.open.size;
  for (let batch = 0; batch < 10; batch++) {
    const sockets = await Promise.all(
      Array.from({ length: 50 }, async () => {
        const socket = connect(street.gateway.address.port, "127.0.0.1");
        socket.on("error", () => {});
        await once(socket, "connect");
        socket.write(head);
        return socket;
      }),
    );
    if (batch % 2 === 0) await until(() => street.agent.open.size >= pooled + 25, "upgrades are under way");
    for (const [index, socket] of sockets.entries())
      if (index % 2 === 0) socket.end();
      else socket.resetAndDestroy();
  }
  await until(() => street.gateway.house.live.size === 0, "the gateway has let go of all");
  await until(() => street.agent.open.size <= pooled, "no socket into the VM is left");
  expect(street.gateway.house.live.size).toBe(0);
  server.removeAllListeners("upgrade");
  for (const listener of listeners) server.on("upgrade", listener);
}, 30_000);

function relay(
  role: "delegate" | "vm",
  path: string,
  options: { method?: string; body?: string; gitspace?: string } = {},
): Promise<{ status: number; body: string }> {
  const identity = street.authority.issue(role, "someone");
  return new Promise((resolve, reject) => {
    const asked = httpsRequest(
      {
        ...clientTls(identity, { role: "gateway" }),
        host: "127.0.0.1",
        port: street.gateway.tasksAddress.port,
        path,
        method: options.method ?? "POST",
        headers: { "gs-gitspace": options.gitspace ?? ADA },
        agent: false,
      },
      (answer) => {
        text(answer).then((body) => resolve({ status: answer.statusCode ?? 0, body }), reject);
      },
    );
    asked.on("error", reject);
    asked.end(options.body);
  });
}

test("a task passes byte for byte, its events as they come", async () => {
  const seen: string[] = [];
  let release = (): void => {};
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    seen.push(`${request.method} ${request.url} ${await text(request)}`);
    if (request.method === "POST") {
      response.writeHead(202, { "content-type": "application/json" }).end('{"taskId":"x"}');
    } else {
      response.writeHead(200, { "content-type": "application/x-ndjson" }).write('{"ping":1}\n');
      release = () => void response.end('{"answer":1}\n');
    }
  };
  street.agent.onTask = (request, response) => void serve(request, response);
  const body = '{ "any":  "bytes \u00e9" }';
  expect(await relay("delegate", "/tasks", { body })).toEqual({ status: 202, body: '{"taskId":"x"}' });
  const events = relay("delegate", "/tasks/0198d2f0-0000-7000-8000-000000000001/events?after=3", { method: "GET" });
  await until(() => seen.length === 2, "the agent was asked for events");
  release();
  expect(await events).toEqual({ status: 200, body: '{"ping":1}\n{"answer":1}\n' });
  expect(seen).toEqual([`POST /tasks ${body}`, "GET /tasks/0198d2f0-0000-7000-8000-000000000001/events?after=3 "]);
});

test.each([
  ["no route", "delegate", "/tasks", { gitspace: BOB }, 502, "vm_unreachable"],
  ["another path", "delegate", "/status", { method: "GET" }, 404, "not_found"],
  ["another certificate", "vm", "/tasks", {}, 403, "denied"],
  ["no Gitspace", "delegate", "/tasks", { gitspace: "../x" }, 400, "bad_request"],
  ["too many bytes", "delegate", "/tasks", { body: "x".repeat(300_000) }, 400, "bad_request"],
] as const)("the task relay refuses %s", async (_name, role, path, options, status, code) => {
  const answer = await relay(role, path, options);
  expect(answer.status).toBe(status);
  expect(JSON.parse(answer.body)).toMatchObject({ code });
});

test("health is reported, and the admin listener says what is loaded", async () => {
  await until(() => street.controlPlane.reports.some((report) => report.kind === "health"), "health was reported");
  const { port } = street.gateway.adminAddress;
  const readiness = async () =>
    (await (await fetch(`http://127.0.0.1:${port}/readyz`)).json()) as { ready: boolean; reasons: unknown };
  await until(async () => (await readiness()).ready, "the first round trips were made");
  expect((await readiness()).reasons).toEqual({});
});

test("a restarted gateway serves from disk while the control plane is away, and asks to go on from where it was", async () => {
  await until(async () => (await street.ask(get("/", `Cookie: ${own}`))).status === 200, "all is well");
  const { version } = street.controlPlane;
  const { keys } = street.controlPlane;
  await street.controlPlane[Symbol.asyncDispose]();
  await street.restart();
  expect((await street.ask(get("/", `Cookie: ${own}`))).status).toBe(200);
  expect(street.gateway.house.access.lastEventId).toBe(String(version));
  expect(street.gateway.house.access.keys).toEqual(keys);
});

test("without Redis sessions go on, and a new sign-in is refused with the reason", async () => {
  const { nonce, cookie } = await depart("/");
  await street.redis.stop();
  expect((await street.ask(get("/", `Cookie: ${own}`))).status).toBe(200);
  const code = await street.controlPlane.code({ gitspaceId: ADA, user: "ada", nonce });
  const refused = await street.ask(get(`/.gitspaces/sign-in?code=${code}&to=/`, `Cookie: ${cookie}`));
  expect(refused.status).toBe(503);
  expect(refused.body).toContain("Nobody can sign in at the moment");
  const { port } = street.gateway.adminAddress;
  expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(503);
});
