// The public API over real HTTP; every answer is checked against the OpenAPI document.
import type { Gitspace, PersonalToken, TaskView, User } from "@gitspaces/contracts";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { z } from "zod";
import { testControlPlane, type TestControlPlane } from "../testing/control-plane.ts";
import { connect } from "../testing/delegate.ts";
import { checkedCalls } from "../testing/openapi.ts";

let plane: TestControlPlane;
let api: Awaited<ReturnType<typeof checkedCalls>>;
beforeAll(async () => {
  plane = await testControlPlane();
  api = await checkedCalls(plane);
});
afterAll(() => plane[Symbol.asyncDispose]());

const repository = "https://git.example.com/team/hello.git";
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

async function make(more: Record<string, unknown> = {}, headers?: Record<string, string>): Promise<Gitspace> {
  const { status, body } = await api.call("POST", "/api/v1/gitspaces", { code_repo_url: repository, ...more }, headers);
  expect(status).toBe(201);
  return body as Gitspace;
}

/** A new user's token. */
async function userToken(identifier: string): Promise<string> {
  const user = { identifier, display_name: identifier, email: `${identifier}@example.com` };
  expect((await api.call("POST", "/api/v1/users", user)).status).toBe(201);
  const made = await api.call("POST", "/api/v1/tokens", { name: "test", user_identifier: identifier });
  return (made.body as { token: string }).token;
}

test("the document is OpenAPI 3.1 and has every operation", () => {
  expect(api.document.openapi).toBe("3.1.0");
  const operations = Object.entries(api.document.paths).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method} ${path}`),
  );
  expect(operations.toSorted()).toEqual(
    [
      "get /api/v1/user",
      "get /api/v1/users",
      "post /api/v1/users",
      "get /api/v1/tokens",
      "post /api/v1/tokens",
      "delete /api/v1/tokens/{token_identifier}",
      "post /api/v1/session",
      "delete /api/v1/session",
      "post /api/v1/sign-in-links",
      "get /api/v1/user/ssh-keys",
      "post /api/v1/user/ssh-keys",
      "delete /api/v1/user/ssh-keys/{ssh_key_identifier}",
      "get /api/v1/ssh",
      "get /api/v1/installation/health",
      "get /api/v1/events/stream",
      "get /api/v1/gitspaces",
      "post /api/v1/gitspaces",
      "get /api/v1/gitspaces/{gitspace_identifier}",
      "patch /api/v1/gitspaces/{gitspace_identifier}",
      "get /api/v1/gitspaces/{gitspace_identifier}/activity",
      "delete /api/v1/gitspaces/{gitspace_identifier}",
      "post /api/v1/gitspaces/{gitspace_identifier}/actions",
      "post /api/v1/gitspaces/{gitspace_identifier}/status",
      "get /api/v1/gitspaces/{gitspace_identifier}/tasks/{task_id}",
      "get /api/v1/gitspaces/{gitspace_identifier}/ports",
      "get /api/v1/gitspaces/{gitspace_identifier}/visibility",
      "put /api/v1/gitspaces/{gitspace_identifier}/visibility/{port}",
      "get /api/v1/gitspaces/{gitspace_identifier}/shares",
      "post /api/v1/gitspaces/{gitspace_identifier}/shares",
      "delete /api/v1/gitspaces/{gitspace_identifier}/shares/{share_identifier}",
      "get /api/v1/gitspaces/{gitspace_identifier}/shares/{share_identifier}/uses",
      "get /api/v1/access-tokens",
      "post /api/v1/access-tokens",
      "delete /api/v1/access-tokens/{token_identifier}",
      "get /api/v1/access-tokens/{token_identifier}/uses",
      "get /api/v1/gitspaces/{gitspace_identifier}/events",
      "get /api/v1/gitspaces/{gitspace_identifier}/events/stream",
      "get /api/v1/gitspaces/{gitspace_identifier}/logs",
      "get /api/v1/gitspaces/{gitspace_identifier}/logs/stream",
    ].toSorted(),
  );
});

test("a Gitspace is made, shown, listed, started, asked and deleted, each as promised", async () => {
  const delegate = await connect(plane);
  const { identifier } = await make({ name: "My Space", branch: "main" });
  expect(identifier).toMatch(/^my-space-[a-z0-9]{6}$/);
  const one = `/api/v1/gitspaces/${identifier}`;
  expect((await api.call("GET", one)).body).toMatchObject({ state: "uninitialized", instance: null, branch: "main" });
  expect((await api.call("POST", `${one}/status`)).status).toBe(409);
  expect((await api.call("POST", `${one}/actions`, { action: "start" })).body).toMatchObject({
    state: "starting",
    generation: 1,
  });
  await delegate.does("vm.provision", "gitspace.start");
  const { task_id } = (await api.call("POST", `${one}/status`)).body as { task_id: string };
  expect((await api.call("GET", `${one}/tasks/${task_id}`)).body).toMatchObject({ state: "offered", outcome: null });
  await delegate.does("gitspace.status");
  const view = (await api.call("GET", `${one}/tasks/${task_id}?wait_ms=1000`)).body as TaskView;
  expect(view.result).toMatchObject({ state: "running", ports: [3000, 8089] });
  expect((await api.call("GET", `${one}/ports`)).status).toBe(200);
  const events = await api.call("GET", `${one}/events?page=1&limit=2`);
  expect(events.body).toHaveLength(2);
  expect(Number(events.headers.get("x-total"))).toBeGreaterThan(5);
  expect((await api.call("GET", `${one}/logs`)).body).toEqual([]);
  expect((await api.call("POST", `${one}/actions`, { action: "reset" })).body).toMatchObject({ generation: 2 });
  await delegate.does("gitspace.stop", "vm.stop", "vm.provision", "gitspace.start");
  expect((await api.call("POST", `${one}/actions`, { action: "cancel" })).status).toBe(409);
  expect((await api.call("POST", `${one}/actions`, { action: "undelete" })).status).toBe(409);
  expect((await api.call("POST", `${one}/actions`, { action: "explode" })).body).toMatchObject({
    code: "bad_request",
    field: "action",
  });
  expect((await api.call("DELETE", one)).status).toBe(204);
  await delegate.does("gitspace.remove", "vm.destroy");
  expect((await api.call("GET", one)).status).toBe(404);
});

test.each([
  [{ code_repo_url: "file:///etc/passwd" }, "code_repo_url"],
  [{ code_repo_url: "https://user:password@git.example.com/a" }, "code_repo_url"],
  [{ code_repo_url: "ssh://git@example.com/a" }, "code_repo_url"],
  [{ branch: "--upload-pack=x" }, "branch"],
  [{ name: "" }, "name"],
  [{ nane: "typo" }, "nane"],
  [{ resource_identifier: "Big Machine" }, "resource_identifier"],
])("%o is refused and names %s", async (wrong, field) => {
  const { status, body } = await api.call("POST", "/api/v1/gitspaces", { code_repo_url: repository, ...wrong });
  expect(status).toBe(400);
  expect(body).toMatchObject({ code: "bad_request", field, retry: "never" });
});

test("a body that is not JSON is a bad request, and an unknown address a problem too", async () => {
  const response = await fetch(`${plane.url}/api/v1/gitspaces`, {
    method: "POST",
    headers: { ...bearer(plane.adminToken), "content-type": "application/json" },
    body: "{",
  });
  expect([response.status, response.headers.get("content-type")]).toEqual([
    400,
    expect.stringContaining("application/problem+json"),
  ]);
  expect((await plane.call("GET", "/api/v1/nothing")).status).toBe(404);
});

test("another user's Gitspace is not there, whatever is asked of it", async () => {
  const ann = bearer(await userToken("ann"));
  const bob = bearer(await userToken("bob"));
  const { identifier } = await make({}, ann);
  const one = `/api/v1/gitspaces/${identifier}`;
  const asked = [
    await api.call("GET", one, undefined, bob),
    await api.call("DELETE", one, undefined, bob),
    await api.call("POST", `${one}/actions`, { action: "start" }, bob),
    await api.call("GET", `${one}/events`, undefined, bob),
    await api.call("GET", `${one}/logs`, undefined, bob),
    await api.call("POST", `${one}/status`, undefined, bob),
    await api.call("GET", `${one}/ports`, undefined, bob),
    await api.call("POST", "/api/v1/sign-in-links", { gitspace_identifier: identifier }, bob),
  ];
  expect(asked.map(({ status }) => status)).toEqual(asked.map(() => 404));
  expect((await plane.call("GET", `${one}/events/stream`, undefined, bob)).status).toBe(404);
  expect((await api.call("GET", "/api/v1/gitspaces?gitspace_owner=all", undefined, bob)).body).toEqual([]);
  expect((await api.call("GET", "/api/v1/users", undefined, bob)).status).toBe(403);
  expect((await api.call("POST", "/api/v1/tokens", { name: "x", user_identifier: "ann" }, bob)).status).toBe(403);
  expect((await api.call("GET", one, undefined, ann)).status).toBe(200);
});

test("lists are filtered, sorted and paged, and say how many there are", async () => {
  const carol = bearer(await userToken("carol"));
  const names = ["alpha", "beta", "gamma"];
  for (const name of names) await make({ name }, carol);
  const list = async (query: string) => {
    const { body, headers } = await api.call("GET", `/api/v1/gitspaces?${query}`, undefined, carol);
    return { names: (body as Gitspace[]).map(({ name }) => name), headers };
  };
  expect((await list("sort=created&order=asc")).names.toSorted()).toEqual(names);
  expect((await list("query=BET")).names).toEqual(["beta"]);
  expect((await list("gitspace_states=running")).names).toEqual([]);
  expect((await list("gitspace_states=running&gitspace_states=stopped")).names).toHaveLength(3);
  const { names: second, headers } = await list("limit=2&page=2&query=a");
  expect(second).toHaveLength(1);
  expect([headers.get("x-total"), headers.get("x-total-no-filter"), headers.get("x-prev-page")]).toEqual([
    "3",
    "3",
    "1",
  ]);
  expect((await api.call("GET", "/api/v1/gitspaces?limit=1000", undefined, carol)).status).toBe(400);
});

test("a creation with the same Idempotency-Key is one creation", async () => {
  const headers = { ...bearer(plane.adminToken), "idempotency-key": "once" };
  const first = await make({ name: "once" }, headers);
  expect((await make({ name: "once" }, headers)).identifier).toBe(first.identifier);
  const other = await api.call("POST", "/api/v1/gitspaces", { code_repo_url: repository, name: "twice" }, headers);
  expect(other.status).toBe(409);
});

test("tokens are shown once, listed without their text, and gone when revoked", async () => {
  const made = (await api.call("POST", "/api/v1/tokens", { name: "laptop" })).body as {
    token: string;
    identifier: string;
  };
  expect(made.token).toMatch(/^gsp_/);
  expect(((await api.call("GET", "/api/v1/user", undefined, bearer(made.token))).body as User).identifier).toBe(
    "admin",
  );
  const listed = (await api.call("GET", "/api/v1/tokens")).body as z.infer<typeof PersonalToken>[];
  expect(listed.map(({ identifier }) => identifier)).toContain(made.identifier);
  expect(JSON.stringify(listed)).not.toContain(made.token);
  expect((await api.call("DELETE", `/api/v1/tokens/${made.identifier}`)).status).toBe(204);
  expect((await api.call("GET", "/api/v1/user", undefined, bearer(made.token))).status).toBe(401);
  expect((await api.call("GET", "/api/v1/user", undefined, {})).status).toBe(401);
});

test("an installation for one user refuses another and says why", async () => {
  await using single = await testControlPlane({ singleUser: true });
  const response = await single.call("POST", "/api/v1/users", {
    identifier: "eve",
    display_name: "Eve",
    email: "eve@example.com",
  });
  expect(response.status).toBe(403);
  expect(await response.json()).toMatchObject({ detail: expect.stringContaining("unisolated") });
});

test("no secret is in the database in clear", async () => {
  const canary = "canary-secret-of-a-repository";
  await make({ code_repo_token: canary });
  const db = new DatabaseSync(join(plane.folder, "control-plane.db"));
  db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  db.close();
  const bytes = readFileSync(join(plane.folder, "control-plane.db"), "latin1");
  expect(bytes).toContain("https://git.example.com/team/hello.git");
  expect(bytes).not.toContain(canary);
  expect(bytes).not.toContain(plane.adminToken);
});
