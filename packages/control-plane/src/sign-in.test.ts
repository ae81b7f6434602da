// The browser's way in: one-time links, the page's session, and codes for Gitspace hosts that lead nowhere else.
import { createLocalJWKSet, jwtVerify } from "jose";
import { afterAll, beforeAll, expect, test } from "vitest";
import { testControlPlane, type TestControlPlane } from "./testing/control-plane.ts";

let plane: TestControlPlane;
beforeAll(async () => {
  plane = await testControlPlane();
});
afterAll(() => plane[Symbol.asyncDispose]());

const nonce = "n".repeat(43);
const origin = { origin: "http://localhost:7400" };

async function makeGitspace(headers?: Record<string, string>): Promise<string> {
  const body = { code_repo_url: "https://git.example.com/a/hello" };
  const response = await plane.call("POST", "/api/v1/gitspaces", body, headers);
  return ((await response.json()) as { identifier: string }).identifier;
}

/** The cookie of a session begun with a token. */
async function session(token = plane.adminToken): Promise<Record<string, string>> {
  const response = await plane.call("POST", "/api/v1/session", { token }, origin);
  expect(response.status).toBe(200);
  return { cookie: (response.headers.get("set-cookie") ?? "").split(";")[0] ?? "" };
}

async function link(body: Record<string, unknown> = {}): Promise<string> {
  const response = await plane.call("POST", "/api/v1/sign-in-links", body);
  return new URL(((await response.json()) as { sign_in_url: string }).sign_in_url).pathname;
}

function gatewayAsks(host: string, headers: Record<string, string>, to = "/"): Promise<Response> {
  const query = new URLSearchParams({ host, nonce, to });
  return plane.call("GET", `/sign-in/gitspace?${query.toString()}`, undefined, headers);
}

test("a link signs in once and leads to its Gitspace", async () => {
  const id = await makeGitspace();
  const path = await link({ gitspace_identifier: id });
  expect((await plane.call("HEAD", path, undefined, {})).status).toBe(404);
  const opened = await plane.call("GET", path, undefined, {});
  expect([opened.status, opened.headers.get("location")]).toEqual([303, `http://${id}.gitspaces.localhost:7401/`]);
  expect(opened.headers.get("set-cookie")).toMatch(/^gs-ui=[^;]+; Max-Age=\d+; Path=\/; HttpOnly; SameSite=Lax$/);
  expect(opened.headers.get("referrer-policy")).toBe("no-referrer");
  expect((await plane.call("GET", path, undefined, {})).status).toBe(410);
});

test("a browser that comes with a spent link is told so on a page", async () => {
  const path = await link();
  await plane.call("GET", path, undefined, {});
  const again = await plane.call("GET", path, undefined, { accept: "text/html,*/*" });
  expect([again.status, again.headers.get("content-type")]).toEqual([410, "text/html; charset=utf-8"]);
  expect(await again.text()).toContain("opened before");
});

test("a link dies after ten minutes", async () => {
  let now = Date.now();
  await using later = await testControlPlane({ clock: { now: () => now } });
  const made = await later.call("POST", "/api/v1/sign-in-links", {});
  const { pathname } = new URL(((await made.json()) as { sign_in_url: string }).sign_in_url);
  now += 600_001;
  expect((await later.call("GET", pathname, undefined, {})).status).toBe(410);
});

test("over https the cookie has the prefix that binds it to its host", async () => {
  await using secure = await testControlPlane({ publicUrl: "https://gitspaces.example.com" });
  const headers = { origin: "https://gitspaces.example.com" };
  const response = await secure.call("POST", "/api/v1/session", { token: secure.adminToken }, headers);
  expect(response.headers.get("set-cookie")).toMatch(/^__Host-gs-ui=.*Path=\/; HttpOnly; Secure; SameSite=Lax$/);
  expect(response.headers.get("strict-transport-security")).toContain("max-age");
});

test("a session changes something only from our own page", async () => {
  const cookie = await session();
  const body = { code_repo_url: "https://git.example.com/a/b" };
  expect((await plane.call("GET", "/api/v1/user", undefined, cookie)).status).toBe(200);
  expect((await plane.call("POST", "/api/v1/gitspaces", body, cookie)).status).toBe(403);
  const foreign = { ...cookie, origin: "http://hello-aaaaaa.gitspaces.localhost:7401" };
  expect((await plane.call("POST", "/api/v1/gitspaces", body, foreign)).status).toBe(403);
  expect((await plane.call("POST", "/api/v1/gitspaces", body, { ...cookie, ...origin })).status).toBe(201);
  expect((await plane.call("DELETE", "/api/v1/session", undefined, { ...cookie, ...origin })).status).toBe(204);
  expect((await plane.call("GET", "/api/v1/user", undefined, cookie)).status).toBe(401);
});

test("a session becomes a code for exactly the host that was asked for", async () => {
  const id = await makeGitspace();
  const cookie = await session();
  const host = `3000--${id}.gitspaces.localhost:7401`;
  const response = await gatewayAsks(host, cookie, "/app?x=1");
  expect(response.status).toBe(303);
  const to = new URL(response.headers.get("location") ?? "");
  expect([to.origin, to.pathname, to.searchParams.get("to")]).toEqual([
    `http://${host}`,
    "/.gitspaces/sign-in",
    "/app?x=1",
  ]);
  expect([response.headers.get("referrer-policy"), response.headers.get("cache-control")]).toEqual([
    "no-referrer",
    "no-store",
  ]);
  const keys = (await (await plane.call("GET", "/.well-known/jwks.json", undefined, {})).json()) as never;
  const { payload, protectedHeader } = await jwtVerify(to.searchParams.get("code") ?? "", createLocalJWKSet(keys), {
    audience: id,
    subject: "admin",
    issuer: "http://localhost:7400",
    typ: "gitspaces-code+jwt",
  });
  expect(payload).toMatchObject({ organisation: "default", nonce, jti: expect.any(String) });
  expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(60);
  expect(protectedHeader.alg).toBe("EdDSA");
});

test("without a session the browser is sent to the page, which knows where to go on", async () => {
  const id = await makeGitspace();
  const response = await gatewayAsks(`${id}.gitspaces.localhost:7401`, {});
  const to = new URL(response.headers.get("location") ?? "");
  expect([response.status, to.origin, to.pathname]).toEqual([303, "http://localhost:7400", "/"]);
  expect(to.searchParams.get("next")).toMatch(/^\/sign-in\/gitspace\?host=/);
});

test.each([
  "evil.example.com",
  "gitspaces.localhost:7401",
  "hello-aaaaaa.gitspaces.localhost.evil.com",
  "hello-aaaaaa.gitspaces.localhost:80",
  "user@hello-aaaaaa.gitspaces.localhost:7401",
  "evil.com/hello-aaaaaa.gitspaces.localhost:7401",
])("no code is made for the host %s", async (host) => {
  const response = await gatewayAsks(host, await session());
  expect([response.status, response.headers.get("location")]).toEqual([400, null]);
});

test.each(["//evil.com", "https://evil.com", "/\\evil.com", "evil", "/a\\b", "/a\nb"])(
  "the path %j is not followed",
  async (path) => {
    const id = await makeGitspace();
    const response = await gatewayAsks(`${id}.gitspaces.localhost:7401`, await session(), path);
    expect(new URL(response.headers.get("location") ?? "").searchParams.get("to")).toBe("/");
  },
);

test("nobody gets a code for another user's Gitspace", async () => {
  await plane.call("POST", "/api/v1/users", { identifier: "mallory", display_name: "M", email: "m@example.com" });
  const made = await plane.call("POST", "/api/v1/tokens", { name: "x", user_identifier: "mallory" });
  const { token } = (await made.json()) as { token: string };
  const id = await makeGitspace();
  const cookie = await session(token);
  expect((await gatewayAsks(`${id}.gitspaces.localhost:7401`, cookie)).status).toBe(404);
  expect((await gatewayAsks(`3000--${id}.gitspaces.localhost:7401`, cookie)).status).toBe(404);
});

test("guessing tokens is slowed down", async () => {
  await using fresh = await testControlPlane();
  const statuses: number[] = [];
  for (let guess = 0; guess < 22; guess += 1) {
    statuses.push((await fresh.call("POST", "/api/v1/session", { token: `guess-${guess}` }, origin)).status);
  }
  expect([statuses[0], statuses.at(-1)]).toEqual([401, 429]);
});
