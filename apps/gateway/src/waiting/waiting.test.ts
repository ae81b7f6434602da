// A stopped Gitspace is started by who wants it and may, once for all of them; what asks in the background starts nothing.
import { once } from "node:events";
import { connect } from "node:net";
import type { AccessDocument } from "@gitspaces/contracts";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Wake } from "../testing/control-plane.ts";
import { readAnswer } from "../testing/raw-http.ts";
import { ADA, DOMAIN, openStreet, type Street, until } from "../testing/street.ts";

let street: Street;
let generation: number;
let cookie: string;
beforeEach(async () => {
  street = await openStreet({ holdMs: 3_000, holdPerGitspace: 30 });
  cookie = await street.cookie("ada");
  generation = 1;
  await become("stopped");
});
afterEach(() => street[Symbol.asyncDispose]());

async function become(state: AccessDocument["state"], next = generation): Promise<void> {
  generation = next;
  await street.controlPlane.publish({ gitspaceId: ADA, name: "hello", state, generation });
  await until(() => {
    const known = street.gateway.house.access.find(ADA);
    return known?.state === state && known.generation === generation;
  }, `the Gitspace is ${state}`);
}
/** What a start does, as far as a gateway sees it. */
async function starts(): Promise<void> {
  await become("starting", generation + 1);
  await street.setRoute({ generation });
  await become("running");
}
const host = `${ADA}.${DOMAIN}`;
const wakes = (): Wake[] => street.controlPlane.reports.filter((report) => report.kind === "wake");
const ask = (headers: string[] = [], path = "/", at = host) =>
  street.ask([`GET ${path} HTTP/1.1`, "Host: HOST", `Cookie: ${cookie}`, ...headers, "", ""].join("\r\n"), at);
const curl = (...headers: string[]) => ask(["Accept: */*", "User-Agent: curl/8.14.1", ...headers]);
const browser = ["Accept: text/html", "Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"];

test("twenty programs that ask at once cause one start, and all of them get their answer from the VM", async () => {
  street.controlPlane.onWake = ({ gitspaceId }) => {
    setTimeout(() => void starts(), 50);
    return { outcome: "accepted", gitspaceId, generation: generation + 1 };
  };
  const answers = await Promise.all(Array.from({ length: 20 }, () => curl()));
  expect(new Set(answers.map(({ status, body }) => `${status} ${body}`))).toEqual(new Set(["200 inside"]));
  expect(wakes()).toEqual([
    { kind: "wake", gitspaceId: ADA, generation: 1, user: "ada", by: "client", at: expect.any(Number) },
  ]);
  expect(street.gateway.house.waiting.held).toBe(0);
  await until(() => street.gateway.house.progress.size === 0, "nothing is followed any more");
});

test("a held request keeps its body back until the VM takes it", async () => {
  street.controlPlane.onWake = ({ gitspaceId }) => ({ outcome: "accepted", gitspaceId, generation: 2 });
  let received = 0;
  street.inside.answer = (request, response) => {
    request.on("data", (chunk: Buffer) => (received += chunk.length));
    request.on("end", () => response.end("taken"));
  };
  const size = 8 * 1024 * 1024;
  const socket = connect(street.gateway.address.port, "127.0.0.1");
  const head = [`POST / HTTP/1.1`, `Host: ${host}:${street.gateway.address.port}`, `Cookie: ${cookie}`];
  const own = [`Origin: http://${host}:${street.gateway.address.port}`, `Content-Length: ${size}`, "", ""];
  socket.write([...head, ...own].join("\r\n"));
  socket.write(Buffer.alloc(size, "x"));
  await until(() => wakes().length === 1, "it is woken");
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(socket.writableLength).toBeGreaterThan(size / 4);
  await starts();
  expect((await readAnswer(socket)).status).toBe(200);
  expect(received).toBe(size);
  socket.destroy();
});

test("a hold ends in time, with 503, when to come again and the state by name", async () => {
  street.controlPlane.onWake = ({ gitspaceId }) => {
    void become("starting", 2);
    return { outcome: "accepted", gitspaceId, generation: 2 };
  };
  const answer = await curl();
  expect(answer.status).toBe(503);
  expect(answer.header("retry-after")).toBe("5");
  expect(answer.header("content-type")).toBe("application/problem+json");
  expect(JSON.parse(answer.body)).toMatchObject({
    status: 503,
    retry: "later",
    detail: "hello is still starting. Ask again in a few seconds.",
    details: { situation: "starting" },
  });
});

test("more than may be held are told at once, and a place is free again when its client has left", async () => {
  street.controlPlane.onWake = ({ gitspaceId }) => ({ outcome: "accepted", gitspaceId, generation: 2 });
  const sockets = Array.from({ length: 30 }, () => connect(street.gateway.address.port, "127.0.0.1"));
  const head = `GET / HTTP/1.1\r\nHost: ${host}:${street.gateway.address.port}\r\nCookie: ${cookie}\r\n\r\n`;
  for (const socket of sockets) socket.write(head);
  await until(() => street.gateway.house.waiting.held === 30, "thirty are held");
  const since = performance.now();
  const answer = await curl();
  expect([answer.status, answer.body]).toEqual([503, expect.stringContaining("Too many wait for hello already")]);
  expect(performance.now() - since).toBeLessThan(1_000);
  for (const socket of sockets) socket.destroy();
  await until(() => street.gateway.house.waiting.held === 0, "their places are free");
});

test("nothing in the background wakes: upgrades, editors that come back, what pages fetch, and who is not signed in", async () => {
  const own = `Origin: http://${host}:${street.gateway.address.port}`;
  const upgrade = ["Connection: Upgrade", "Upgrade: websocket", own];
  expect((await ask(upgrade, "/?reconnectionToken=a&reconnection=true")).status).toBe(503);
  expect((await ask(upgrade)).status).toBe(503);
  expect((await ask(["Accept: */*"], "/?reconnectionToken=a")).status).toBe(503);
  expect((await ask(["Sec-Fetch-Dest: empty", "Sec-Fetch-Mode: cors", "Sec-Fetch-Site: same-origin"])).status).toBe(
    503,
  );
  cookie = "none";
  expect((await curl()).status).toBe(303);
  expect((await ask(browser)).status).toBe(303);
  expect(wakes()).toEqual([]);
});

test("who may only look at a port starts nothing, and waits when its owner does", async () => {
  await street.controlPlane.publish({
    gitspaceId: ADA,
    name: "hello",
    state: "stopped",
    ports: { "3000": "organisation" },
  });
  await until(() => street.gateway.house.access.find(ADA)?.ports["3000"] !== undefined, "it is shared");
  const port = `3000--${host}`;
  cookie = await street.cookie("bob", port);
  const page = await ask(browser, "/", port);
  expect([page.status, page.body.includes("Its owner can start it"), page.body.includes("<form")]).toEqual([
    503,
    true,
    false,
  ]);
  expect((await ask(["User-Agent: curl/8"], "/", port)).status).toBe(503);
  expect(wakes()).toEqual([]);
});

test("a person who goes there gets a page that follows the start and then becomes the Gitspace", async () => {
  street.controlPlane.onWake = ({ gitspaceId }) => {
    void become("starting", 2);
    return { outcome: "accepted", gitspaceId, generation: 2 };
  };
  const page = await ask(browser, "/?folder=/x");
  expect(page.status).toBe(503);
  expect(page.body).toContain("hello is starting");
  expect(page.header("content-security-policy")).toContain("script-src 'sha256-");
  expect(page.body).toContain(`url=/.gitspaces/waiting?to=%2F%3Ffolder%3D%2Fx`);
  expect(wakes().map(({ by }) => by)).toEqual(["page"]);

  const progress = ask(["Accept: text/event-stream"], "/.gitspaces/progress");
  await until(() => street.controlPlane.watchers.size === 1, "its progress is followed");
  street.controlPlane.tellProgress(ADA, {
    event: "timeline",
    data: { id: 1, kind: "agent_clone_start", message: "Cloning <hello>", at: Date.now() },
  });
  await until(() => street.gateway.house.progress.present(ADA).events.length === 1, "it is heard of");
  await street.setRoute({ generation: 2 });
  await become("running");
  const { body } = await progress;
  expect(body).toContain("Cloning &lt;hello&gt;");
  expect(body).toContain("event: ready");
  expect((await ask(browser)).body).toBe("inside");
});

test("the page without a script comes again from an address that starts nothing, and leads on when it runs", async () => {
  const waiting = "/.gitspaces/waiting?to=%2Fa%3Fb";
  const page = await ask(browser, waiting);
  expect([page.status, page.body.includes("hello is stopped"), page.body.includes("Start it")]).toEqual([
    503,
    true,
    true,
  ]);
  expect(wakes()).toEqual([]);
  await starts();
  const on = await ask(browser, waiting);
  expect([on.status, on.header("location")]).toEqual([303, "/a?b"]);
  const away = await ask(browser, "/.gitspaces/waiting?to=%2F%2Fevil.example");
  expect(away.header("location")).toBe("/");
});

test("the button starts it for who may, from its own address alone", async () => {
  street.controlPlane.onWake = ({ gitspaceId }) => {
    void become("starting", 2);
    return { outcome: "accepted", gitspaceId, generation: 2 };
  };
  const own = `http://${host}:${street.gateway.address.port}`;
  const press = (origin: string) =>
    street.ask(
      [
        "POST /.gitspaces/start?to=%2Fa HTTP/1.1",
        "Host: HOST",
        `Cookie: ${cookie}`,
        `Origin: ${origin}`,
        "Content-Length: 0",
        "",
        "",
      ].join("\r\n"),
      host,
    );
  expect((await press(`http://other-a1b2c3.${DOMAIN}:${street.gateway.address.port}`)).status).toBe(403);
  expect(wakes()).toEqual([]);
  const pressed = await press(own);
  expect([pressed.status, pressed.header("location")]).toEqual([303, "/a"]);
  expect(wakes()).toHaveLength(1);
});

test("a stop while they wait is told, and nobody starts it again", async () => {
  street.controlPlane.onWake = ({ gitspaceId }) => {
    void become("starting", 2);
    return { outcome: "accepted", gitspaceId, generation: 2 };
  };
  const held = curl();
  await until(() => generation === 2, "it is starting");
  await become("stopping", 3);
  expect([(await held).status, (await held).body]).toEqual([
    503,
    expect.stringContaining("stopped while it was waited for"),
  ]);
  await become("stopped", 3);
  expect(wakes()).toHaveLength(1);
});

test("why a start was refused, or failed, is told in the control plane's words", async () => {
  street.controlPlane.onWake = ({ gitspaceId }) => ({
    outcome: "denied",
    gitspaceId,
    failure: { code: "quota_exceeded", message: "Two Gitspaces run already.", retry: "later" },
  });
  expect(await curl()).toMatchObject({ status: 503, body: expect.stringContaining("Two Gitspaces run already.") });
  expect((await ask(browser)).body).toContain("Two Gitspaces run already.");

  await become("starting", 2);
  const held = curl();
  await until(() => street.controlPlane.watchers.size === 1, "its progress is followed");
  const failure = { code: "no_capacity", message: "No machine is free." };
  await become("error");
  street.controlPlane.tellProgress(ADA, { event: "state", data: { state: "error", generation: 2, failure } });
  const answer = await held;
  expect(JSON.parse(answer.body)).toMatchObject({
    detail: "hello did not start. No machine is free.",
    details: { situation: "error" },
  });
});

test("without the control plane a wake is answered with that reason, and what runs goes on", async () => {
  const BOB = "other-a1b2c3";
  await street.controlPlane.publish({ gitspaceId: BOB, generation: 1 });
  await street.setRoute({ gitspaceId: BOB });
  await until(() => street.gateway.house.routes.find(BOB) !== undefined, "the other one runs");
  await street.controlPlane[Symbol.asyncDispose]();
  const answer = await curl();
  expect(answer.status).toBe(503);
  expect(answer.header("retry-after")).toBe("10");
  expect(JSON.parse(answer.body)).toMatchObject({
    detail: expect.stringContaining("control plane can not be reached"),
  });
  expect((await ask(browser)).body).toContain("control plane can not be reached");
  cookie = await street.cookie("ada", `${BOB}.${DOMAIN}`);
  expect((await ask([], "/", `${BOB}.${DOMAIN}`)).body).toBe("inside");
});

test("a client that leaves while it is held frees all it held", async () => {
  const socket = connect(street.gateway.address.port, "127.0.0.1");
  socket.write(`GET / HTTP/1.1\r\nHost: ${host}:${street.gateway.address.port}\r\nCookie: ${cookie}\r\n\r\n`);
  await until(() => wakes().length === 1 && street.gateway.house.waiting.held === 1, "it is held");
  socket.destroy();
  await once(socket, "close");
  await until(() => street.gateway.house.waiting.held === 0, "nothing is held");
  await until(() => street.controlPlane.watchers.size === 0, "nothing is followed");
  expect(wakes()).toHaveLength(1);
});

test("an editor that comes back by SSH does not start what was stopped under it; a program, and a later start, do", async () => {
  street.controlPlane.onWake = ({ gitspaceId }) => {
    setTimeout(() => void starts(), 20);
    return { outcome: "accepted", gitspaceId, generation: generation + 1 };
  };
  const { house } = street.gateway;
  const person = { user: "ada", organisation: "engine" };
  const byShell = () => house.waiting.whenRunning(ADA, person, AbortSignal.timeout(3_000), "ssh");
  expect((await byShell()).route.generation).toBe(2);
  const socket = { bytesRead: 0, bytesWritten: 0 };
  const shell = house.live.open({ gitspaceId: ADA, generation, port: 8022, session: undefined, source: "ssh", socket });
  await become("stopping", 3);
  shell[Symbol.dispose]();
  await expect(byShell()).rejects.toThrow("was stopped while you were connected");
  await become("stopped");
  await expect(byShell()).rejects.toThrow("was stopped while you were connected");
  expect(wakes().map(({ by }) => by)).toEqual(["ssh"]);

  expect((await curl()).status).toBe(200);
  await become("stopped", 5);
  expect((await byShell()).route.generation).toBe(6);
});
