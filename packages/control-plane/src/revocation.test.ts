// Sessions that end before their time: here, in what streams, and on the hosts of Gitspaces by way of the gateways.
import { compactVerify, createLocalJWKSet, decodeJwt } from "jose";
import { type KeySet, NewPersonalToken, type Revocation, SignInLink } from "@gitspaces/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { testControlPlane, type TestControlPlane } from "./testing/control-plane.ts";
import { follow, type Message } from "./testing/sse.ts";

type Cookie = { cookie: string };

let plane: TestControlPlane;
let gitspaces: string[];
beforeAll(async () => {
  plane = await testControlPlane();
  gitspaces = await Promise.all(["one", "two"].map((name) => make(name)));
});
afterAll(() => plane[Symbol.asyncDispose]());

const origin = { origin: "http://localhost:7400" };

async function make(name: string): Promise<string> {
  const body = { code_repo_url: "https://git.example.com/a/hello", name };
  return ((await (await plane.call("POST", "/api/v1/gitspaces", body)).json()) as { identifier: string }).identifier;
}
async function makeToken(on = plane): Promise<{ identifier: string; token: string }> {
  const made = await on.call("POST", "/api/v1/tokens", { name: "laptop", expires_in_days: 1 });
  return NewPersonalToken.parse(await made.json());
}
function cookieOf(response: Response): Cookie {
  return { cookie: (response.headers.get("set-cookie") ?? "").split(";")[0] ?? "" };
}
async function signIn(token: string, on = plane): Promise<Cookie> {
  return cookieOf(await on.call("POST", "/api/v1/session", { token }, origin));
}
const signOut = (cookie: Cookie) => plane.call("DELETE", "/api/v1/session", undefined, { ...cookie, ...origin });
const whoAmI = async (headers: Record<string, string>) =>
  (await plane.call("GET", "/api/v1/user", undefined, headers)).status;

/** A browser comes to a Gitspace's host; gives the id its session there will have. */
async function visit(gitspace: string, cookie: Cookie, on = plane): Promise<string> {
  const query = new URLSearchParams({ host: `${gitspace}.gitspaces.localhost:7401`, nonce: "n".repeat(43) });
  const response = await on.call("GET", `/sign-in/gitspace?${query.toString()}`, undefined, cookie);
  const code = new URL(response.headers.get("location") ?? "").searchParams.get("code") ?? "";
  return String(decodeJwt(code).jti);
}

/** What gateways are told of that ended, from the beginning. */
async function revocations(on = plane): Promise<Revocation[]> {
  using stream = await follow(`${on.url}/api/gateway/v1/stream`, { authorization: `Bearer ${on.gatewayToken}` });
  const messages = await stream.until("ready");
  const keys = createLocalJWKSet(messages[0]?.data as KeySet);
  const open = async ({ data }: Message) => {
    const { payload } = await compactVerify((data as { jws: string }).jws, keys);
    return JSON.parse(new TextDecoder().decode(payload)) as Revocation;
  };
  return await Promise.all(messages.filter(({ event }) => event === "revocation").map(open));
}

test("signing out ends the sessions on Gitspaces' hosts that came of it, and no others", async () => {
  const [leaving, staying] = [await signIn(plane.adminToken), await signIn(plane.adminToken)];
  const ended = [await visit(gitspaces[0] ?? "", leaving), await visit(gitspaces[1] ?? "", leaving)];
  await visit(gitspaces[0] ?? "", staying);
  const before = await revocations();
  expect((await signOut(leaving)).status).toBe(204);
  const told = (await revocations()).slice(before.length);
  expect(new Set(told.map(({ session }) => session))).toEqual(new Set(ended));
  // A code that was given but not yet brought to the gateway begins its session later, and is ended all the same.
  for (const { user, before: until } of told)
    expect({ user, covers: until > Date.now() + 60_000 }).toEqual({ user: "admin", covers: true });
  expect([await whoAmI(leaving), await whoAmI(staying)]).toEqual([401, 200]);
});

test("a gateway that follows is told at once", async () => {
  const cookie = await signIn(plane.adminToken);
  const session = await visit(gitspaces[0] ?? "", cookie);
  using stream = await follow(`${plane.url}/api/gateway/v1/stream`, {
    authorization: `Bearer ${plane.gatewayToken}`,
  });
  await stream.until("ready");
  await signOut(cookie);
  const { data } = await stream.next();
  const [, body = ""] = (data as { jws: string }).jws.split(".");
  expect(JSON.parse(Buffer.from(body, "base64url").toString())).toMatchObject({ user: "admin", session });
});

test("a revoked token takes with it what began with it: sessions, links, visits, and streams", async () => {
  const { identifier, token } = await makeToken();
  const bearer = { authorization: `Bearer ${token}` };
  const byToken = await signIn(token);
  const links = await Promise.all(
    [1, 2].map(async () => {
      const made = await plane.call("POST", "/api/v1/sign-in-links", {}, bearer);
      return SignInLink.parse(await made.json());
    }),
  );
  const [opened = "", unopened = ""] = links.map((link) => new URL(link.sign_in_url).pathname);
  const byLink = cookieOf(await plane.call("GET", opened, undefined, {}));
  const ended = [await visit(gitspaces[0] ?? "", byToken), await visit(gitspaces[0] ?? "", byLink)];
  const others = await signIn(plane.adminToken);
  const before = await revocations();
  using ofToken = await follow(`${plane.url}/api/v1/events/stream`, bearer);
  using ofSession = await follow(`${plane.url}/api/v1/gitspaces/${gitspaces[0]}/logs/stream`, byLink);

  expect((await plane.call("DELETE", `/api/v1/tokens/${identifier}`)).status).toBe(204);
  const told = (await revocations()).slice(before.length);
  expect(new Set(told.map(({ session }) => session))).toEqual(new Set(ended));
  expect(await Promise.all([bearer, byToken, byLink, others].map(whoAmI))).toEqual([401, 401, 401, 200]);
  expect((await plane.call("GET", unopened, undefined, {})).status).toBe(410);
  await expect(ofToken.until("never")).rejects.toThrow("the stream has ended");
  await expect(ofSession.until("never")).rejects.toThrow("the stream has ended");
});

test("a revocation is forgotten once no session it ends can live", async () => {
  let now = Date.now();
  await using later = await testControlPlane({ clock: { now: () => now }, lookEveryMs: 20 });
  const made = await later.call("POST", "/api/v1/gitspaces", { code_repo_url: "https://git.example.com/a/hello" });
  const { identifier } = (await made.json()) as { identifier: string };
  const token = await makeToken(later);
  await visit(identifier, await signIn(token.token, later), later);
  await later.call("DELETE", `/api/v1/tokens/${token.identifier}`);
  expect(await revocations(later)).toHaveLength(1);
  now += 25 * 3_600_000;
  await expect.poll(() => revocations(later), { timeout: 10_000 }).toEqual([]);
});
