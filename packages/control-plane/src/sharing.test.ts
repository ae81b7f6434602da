// What owners share, as gateways are told of it: visibility under the administrator's cap, links and tokens, and how each ends.
import { AccessDocument, type KeySet, NewAccessToken, NewShare, type Pass } from "@gitspaces/contracts";
import { readPass } from "@gitspaces/contracts/passes";
import { compactVerify, createLocalJWKSet } from "jose";
import { afterAll, beforeAll, expect, test } from "vitest";
import { testControlPlane, type TestControlPlane } from "./testing/control-plane.ts";
import { follow, type Message } from "./testing/sse.ts";

let plane: TestControlPlane;
let one: string;
let two: string;
let bob: { authorization: string };
beforeAll(async () => {
  plane = await testControlPlane();
  one = await make(plane, "one");
  two = await make(plane, "two");
  await plane.call("POST", "/api/v1/users", { identifier: "bob", display_name: "Bob", email: "bob@example.com" });
  const made = await plane.call("POST", "/api/v1/tokens", { name: "bobs", user_identifier: "bob" });
  bob = { authorization: `Bearer ${((await made.json()) as { token: string }).token}` };
});
afterAll(() => plane[Symbol.asyncDispose]());

async function make(on: TestControlPlane, name: string, headers?: Record<string, string>): Promise<string> {
  const body = { code_repo_url: "https://git.example.com/a/hello", name };
  const made = await on.call("POST", "/api/v1/gitspaces", body, headers);
  return ((await made.json()) as { identifier: string }).identifier;
}
const own = (id: string): string => `/api/v1/gitspaces/${id}`;
const setVisibility = (on: TestControlPlane, port: number, visibility: string, id = one) =>
  on.call("PUT", `${own(id)}/visibility/${port}`, { visibility });
async function share(body: object, id = one, on = plane): Promise<NewShare> {
  const made = await on.call("POST", `${own(id)}/shares`, body);
  expect(made.status).toBe(201);
  return NewShare.parse(await made.json());
}

/** The newest document of a Gitspace, as a gateway reads it. */
async function documentOf(id: string, on = plane): Promise<AccessDocument> {
  using stream = await follow(`${on.url}/api/gateway/v1/stream`, { authorization: `Bearer ${on.gatewayToken}` });
  const messages = await stream.until("ready");
  const keys = createLocalJWKSet(messages[0]?.data as KeySet);
  const open = async ({ data }: Message) => {
    const { payload } = await compactVerify((data as { jws: string }).jws, keys);
    return AccessDocument.parse(JSON.parse(new TextDecoder().decode(payload)));
  };
  const all = await Promise.all(messages.filter(({ event }) => event === "access").map(open));
  const found = all.find(({ gitspaceId }) => gitspaceId === id);
  if (found === undefined) throw new Error(`no document of ${id}`);
  return found;
}
const passesOf = async (id: string, on = plane): Promise<Pass[]> => (await documentOf(id, on)).passes ?? [];
const secretOf = ({ link }: NewShare): string => new URL(link).hash.slice(1);

test("a port is private until its owner opens it, and again when they close it", async () => {
  expect((await documentOf(one)).ports).toEqual({});
  const opened = await setVisibility(plane, 3000, "organisation");
  expect(await opened.json()).toMatchObject({ port: 3000, visibility: "organisation", chosen: "organisation" });
  await setVisibility(plane, 4000, "public");
  expect((await documentOf(one)).ports).toEqual({ "3000": "organisation", "4000": "public" });
  const shown = await plane.call("GET", `${own(one)}/visibility`);
  expect(await shown.json()).toMatchObject({ most: "public", ports: [{ port: 3000 }, { port: 4000 }] });
  for (const port of [3000, 4000]) await setVisibility(plane, port, "private");
  expect((await documentOf(one)).ports).toEqual({});
});

test.each([8089, 8022])("port %i is a shell: nobody opens it or makes a link to it", async (port) => {
  expect((await setVisibility(plane, port, "organisation")).status).toBe(400);
  expect((await plane.call("POST", `${own(one)}/shares`, { port })).status).toBe(400);
  expect((await setVisibility(plane, port, "private")).status).toBe(200);
});

test("lowering the cap changes documents at once and takes links away; raising it gives back what was chosen", async () => {
  await using capped = await testControlPlane();
  const id = await make(capped, "capped");
  await setVisibility(capped, 3000, "public", id);
  await setVisibility(capped, 4000, "organisation", id);
  await share({ port: 3000 }, id, capped);
  const { version } = await documentOf(id, capped);
  await capped.restart({ mostVisible: "organisation" });
  const lowered = await documentOf(id, capped);
  expect([lowered.ports, lowered.passes]).toEqual([{ "3000": "organisation", "4000": "organisation" }, []]);
  expect(lowered.version).toBeGreaterThan(version);
  expect((await setVisibility(capped, 5000, "public", id)).status).toBe(403);
  expect((await capped.call("POST", `${own(id)}/shares`, { port: 3000 })).status).toBe(403);
  await capped.restart({ mostVisible: "private" });
  expect((await documentOf(id, capped)).ports).toEqual({});
  await capped.restart({ mostVisible: "public" });
  const raised = await documentOf(id, capped);
  expect([raised.ports, raised.passes?.length]).toEqual([{ "3000": "public", "4000": "organisation" }, 1]);
});

test("a link is shown once, its secret is kept nowhere, and gateways get its public half", async () => {
  const made = await share({ port: 3000, path: "/docs", methods: ["GET"], expires_in_seconds: 600, name: "Eve" });
  expect(made.link).toMatch(new RegExp(`^http://3000--${one}\\.gitspaces\\.localhost:7401/\\.gitspaces/share#gsl_`));
  const [pass] = await passesOf(one);
  expect(pass).toMatchObject({ id: made.identifier, kind: "link", ports: [3000], path: "/docs", methods: ["GET"] });
  expect(pass && readPass(secretOf(made), pass)).toMatchObject({ path: "/docs", methods: ["GET"] });
  const listed = await (await plane.call("GET", `${own(one)}/shares`)).text();
  expect(listed).toContain(made.identifier);
  expect(listed).not.toContain(secretOf(made).split(".")[1]);
  expect(await passesOf(two)).toEqual([]);
  expect((await plane.call("DELETE", `${own(two)}/shares/${made.identifier}`)).status).toBe(404);
  expect((await plane.call("DELETE", `${own(one)}/shares/${made.identifier}`)).status).toBe(204);
  expect(await passesOf(one)).toEqual([]);
  expect(await (await plane.call("GET", `${own(one)}/shares`)).json()).toEqual([]);
});

test("somebody else neither shares nor sees what is shared, and can not tell it from nothing", async () => {
  const made = await share({ port: 3000 });
  const answers = await Promise.all([
    plane.call("GET", `${own(one)}/shares`, undefined, bob),
    plane.call("POST", `${own(one)}/shares`, { port: 3000 }, bob),
    plane.call("DELETE", `${own(one)}/shares/${made.identifier}`, undefined, bob),
    plane.call("GET", `${own(one)}/visibility`, undefined, bob),
    plane.call("PUT", `${own(one)}/visibility/3000`, { visibility: "public" }, bob),
    plane.call("POST", "/api/v1/access-tokens", { name: "x", gitspace_identifiers: [one] }, bob),
  ]);
  expect(answers.map(({ status }) => status)).toEqual([404, 404, 404, 404, 404, 404]);
  await plane.call("DELETE", `${own(one)}/shares/${made.identifier}`);
});

test("a token opens what it names of its owner's Gitspaces, also those that come later; revoked it is in no document", async () => {
  const create = async (body: object, headers?: Record<string, string>) =>
    NewAccessToken.parse(await (await plane.call("POST", "/api/v1/access-tokens", body, headers)).json());
  const narrow = await create({ name: "ci", gitspace_identifiers: [one], ports: [3000] });
  const wide = await create({ name: "all" });
  const bobs = await create({ name: "bobs" }, bob);
  const later = await make(plane, "later");
  const ids = async (id: string) => (await passesOf(id)).map((pass) => pass.id).toSorted();
  expect(await ids(one)).toEqual([narrow.identifier, wide.identifier].toSorted());
  expect(await ids(two)).toEqual([wide.identifier]);
  expect(await ids(later)).toEqual([wide.identifier]);
  const [pass] = await passesOf(two);
  expect(pass && readPass(wide.token, pass)).toMatchObject({ path: "/" });
  expect((await plane.call("DELETE", `/api/v1/access-tokens/${wide.identifier}`, undefined, bob)).status).toBe(404);
  for (const { identifier } of [narrow, wide]) await plane.call("DELETE", `/api/v1/access-tokens/${identifier}`);
  expect([await ids(one), await ids(two), await ids(later)]).toEqual([[], [], []]);
  const left = await (await plane.call("GET", "/api/v1/access-tokens", undefined, bob)).json();
  expect(left).toMatchObject([{ identifier: bobs.identifier, gitspace_identifiers: null, ports: null }]);
});

test("a personal token takes with it, when it is revoked, what was shared with it", async () => {
  const made = (await (await plane.call("POST", "/api/v1/tokens", { name: "laptop" })).json()) as {
    identifier: string;
    token: string;
  };
  const laptop = { authorization: `Bearer ${made.token}` };
  await plane.call("POST", `${own(one)}/shares`, { port: 3000 }, laptop);
  await plane.call("POST", "/api/v1/access-tokens", { name: "all" }, laptop);
  expect((await passesOf(one)).map(({ kind }) => kind).toSorted()).toEqual(["link", "token"]);
  await plane.call("DELETE", `/api/v1/tokens/${made.identifier}`);
  expect(await passesOf(one)).toEqual([]);
});

test("what was done with a link is told by gateways and shown to its owner, also when it has ended", async () => {
  const made = await share({ port: 3000 });
  const report = { kind: "pass", gitspaceId: one, pass: made.identifier, port: 3000, address: "192.0.2.7" };
  const at = Date.now();
  const reports = [
    { ...report, requests: 0, at },
    { ...report, requests: 5, at: at + 1 },
    { ...report, pass: "unknown", requests: 1, at },
  ];
  const bearer = { authorization: `Bearer ${plane.gatewayToken}` };
  expect((await plane.call("POST", "/api/gateway/v1/reports", { reports }, bearer)).status).toBe(200);
  const [listed] = (await (await plane.call("GET", `${own(one)}/shares`)).json()) as object[];
  expect(listed).toMatchObject({ requests: 5, last_used: at + 1 });
  await plane.call("DELETE", `${own(one)}/shares/${made.identifier}`);
  const uses = await plane.call("GET", `${own(one)}/shares/${made.identifier}/uses`);
  expect(await uses.json()).toMatchObject([
    { requests: 5, address: "192.0.2.7", port: 3000 },
    { requests: 0, address: "192.0.2.7" },
  ]);
});

test("a link that ran out ends by itself, and is forgotten a month later", async () => {
  let now = Date.now();
  await using later = await testControlPlane({ clock: { now: () => now }, lookEveryMs: 20 });
  const id = await make(later, "later");
  const made = await share({ port: 3000, expires_in_seconds: 60 }, id, later);
  now += 61_000;
  expect(await (await later.call("GET", `${own(id)}/shares`)).json()).toEqual([]);
  const uses = async () => (await later.call("GET", `${own(id)}/shares/${made.identifier}/uses`)).status;
  expect(await uses()).toBe(200);
  now += 31 * 86_400_000;
  await expect.poll(uses, { timeout: 10_000 }).toBe(404);
});
