// Sharing by the command line: a real process against a real server.
import { afterAll, beforeAll, expect, test } from "vitest";
import { makePass, readPass } from "@gitspaces/contracts/passes";
import { type CliHome, makeHome, type Ran, startCli } from "./testing/cli-process.ts";
import { type StandIn, startStandIn } from "./testing/stand-in.ts";

let server: StandIn;
let home: CliHome;
let env: NodeJS.ProcessEnv;
let id: string;
beforeAll(async () => {
  server = await startStandIn();
  home = makeHome();
  env = { GITSPACES_URL: server.url, GITSPACES_TOKEN_FILE: home.tokenFile };
  id = server.create({ name: "shared", code_repo_url: "https://example.com/ada/hello.git" }).identifier;
});
afterAll(async () => {
  home[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
});
const run = (...args: string[]): Promise<Ran> => startCli(home, args, { env }).ended;

test("a port is opened and closed by its visibility, and listed with it", async () => {
  expect((await run("ports", "shared", "3000", "--visibility", "organisation")).out).toBe(
    "http://3000--x.test is organisation now.\n",
  );
  expect((await run("ports", id)).out).toMatch(/^PORT {2}VISIBILITY .*\n3000 {2}organisation {2}- /);
  expect(JSON.parse((await run("ports", id, "--json")).out)).toMatchObject({ most: "public", ports: [{ port: 3000 }] });
  expect((await run("ports", id, "3000")).code).toBe(2);
  expect((await run("ports", id, "99999", "--visibility", "public")).code).toBe(2);
});

test("a link stands alone on stdout, is listed without its secret, and is taken back", async () => {
  const made = await run(
    "share",
    "shared",
    "3000",
    "--path",
    "/docs",
    "--methods",
    "get,upgrade",
    "--expires",
    "2h",
    "-n",
    "Eve",
  );
  expect(made).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^http:\/\/3000--x\.test\/\.gitspaces\/share#gsl_\S+\n$/),
  });
  const asked = { port: 3000, path: "/docs", methods: ["GET", "UPGRADE"], expires_in_seconds: 7_200, name: "Eve" };
  expect(server.requests.findLast(({ path }) => path.endsWith("/shares"))?.body).toEqual(asked);
  const [link] = JSON.parse((await run("shares", id, "--json")).out) as { identifier: string }[];
  const listed = await run("shares", id);
  expect(listed.out).toContain(`${link?.identifier}  3000  /docs  GET,UPGRADE`);
  expect(listed.out).not.toContain("gsl_");
  expect((await run("shares", id, link?.identifier ?? "")).out).toMatch(/192\.0\.2\.7 {2}3000 {2}4 requests\n.*opened/);
  expect((await run("unshare", id, link?.identifier ?? "")).code).toBe(0);
  expect((await run("unshare", id, link?.identifier ?? "")).code).toBe(3);
  expect((await run("share", id, "3000", "--expires", "soon")).code).toBe(2);
});

test("whoever has a link narrows it without asking anybody; the secret comes by stdin", async () => {
  const { id: pass, key, text } = makePass("link");
  const asked = server.requests.length;
  const given = `http://3000--x.test/.gitspaces/share#${text}\n`;
  const { ended } = startCli(home, ["narrow", "--path", "/docs", "--methods", "GET"], { env: {}, input: given });
  const { code, out } = await ended;
  expect([code, server.requests.length]).toEqual([0, asked]);
  const narrowed = new URL(out.trim()).hash.slice(1);
  const kept = { id: pass, kind: "link" as const, key, path: "/", expiresAt: 9e12 };
  expect(readPass(narrowed, kept)).toEqual({ expiresAt: 9e12, path: "/docs", methods: ["GET"] });
  expect(narrowed).not.toContain(text.split(".")[1]);
});

test("an access token stands alone on stdout, for the Gitspaces and ports that are named", async () => {
  const made = await run(
    "access-token",
    "create",
    "-n",
    "ci",
    "--gitspace",
    "shared",
    "--port",
    "3000",
    "--port",
    "4000",
  );
  expect(made.out).toMatch(/^gsa_\S+\n$/);
  expect(server.requests.findLast(({ path }) => path === "access-tokens")?.body).toEqual({
    name: "ci",
    gitspace_identifiers: [id],
    ports: [3000, 4000],
    expires_in_days: 30,
  });
  expect((await run("access-token", "list", "--json")).out).toBe("[]\n");
  expect((await run("access-token", "revoke", "tok1")).code).toBe(0);
});
