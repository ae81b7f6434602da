// Who gets in and who does not, with a real browser, curl and raw requests.
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, expect, inject, test } from "vitest";
import { apiClient } from "./api.ts";
import { newPerson, openBrowser } from "./browser.ts";
import { commitFiles } from "./git-server.ts";

const run = promisify(execFile);
const system = inject("system");
const git = inject("git");
const api = apiClient(system.ready.ui, system.adminToken);
const gatewayPort = system.portBase + 1;

type Reply = { status: number; headers: NodeJS.Dict<string | string[]>; body: string };
function ask(host: string, path: string, headers: Record<string, string> = {}): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const asking = request(
      { host: "127.0.0.1", port: gatewayPort, path, headers: { host, ...headers } },
      (response) => {
        let body = "";
        response.on("data", (chunk: Buffer) => (body += chunk.toString()));
        response.once("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
      },
    );
    asking.once("upgrade", (response, socket) => {
      socket.destroy();
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: "" });
    });
    asking.once("error", reject);
    asking.end();
  });
}

/** curl's way through sign-in: every redirect's address, then the last answer's status. */
async function curl(link: string, jar: string): Promise<{ status: string; hops: string[] }> {
  const headers = `${jar}.headers`;
  const args = [
    "--silent",
    "--show-error",
    "--location",
    "--cookie",
    jar,
    "--cookie-jar",
    jar,
    "--output",
    "/dev/null",
  ];
  const { stdout } = await run("curl", [...args, "--dump-header", headers, "--write-out", "%{http_code}", link]);
  const hops = [...readFileSync(headers, "utf8").matchAll(/^location: (.*)\r$/gim)].map((match) => match[1] ?? "");
  return { status: stdout, hops };
}

async function sessionCookie(jar: string, host: string): Promise<string> {
  const { stdout } = await run("grep", ["-F", host, jar]);
  const rows = stdout
    .trim()
    .split("\n")
    .map((row) => row.split("\t"));
  return rows
    .filter((row) => row[5]?.includes("gs-") && !row[5].includes("nonce"))
    .map((row) => `${row[5]}=${row[6]}`)
    .join("; ");
}

const newJar = () => join(mkdtempSync(join(tmpdir(), "jar-")), "cookies");
const websocket = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
};

let mine: { id: string; host: string; cookie: string; code: string };
let other: { id: string; host: string };

beforeAll(async () => {
  const path = commitFiles(git.root, "access", { "README.md": "# Access\n" });
  const [a, b] = await Promise.all([
    api.create(`${git.url}${path}`, { name: "mine" }),
    api.create(`${git.url}${path}`, { name: "other" }),
  ]);
  const host = (id: string) => `${id}.gitspaces.localhost:${gatewayPort}`;
  const jar = newJar();
  const { status, hops } = await curl(await api.signInLink(a.identifier), jar);
  if (status !== "200") throw new Error(`signing in with curl ended with ${status}`);
  const code = new URL(hops.find((hop) => hop.includes("code=")) ?? "", "http://x").search;
  mine = {
    id: a.identifier,
    host: host(a.identifier),
    code,
    cookie: await sessionCookie(jar, `${a.identifier}.gitspaces.localhost`),
  };
  other = { id: b.identifier, host: host(b.identifier) };
});

test("curl follows a sign-in link to the workbench, and no address on the way keeps a secret at its end", async () => {
  const page = await ask(mine.host, "/", { cookie: mine.cookie });
  expect([200, 302]).toContain(page.status);
  expect(mine.cookie).not.toBe("");
});

test("a link works once", async () => {
  const link = await api.signInLink(mine.id);
  expect((await curl(link, newJar())).status).toBe("200");
  expect((await curl(link, newJar())).status).not.toBe("200");
});

test("without a session there is no way in, and a program is told so", async () => {
  expect((await ask(mine.host, "/", { accept: "text/html" })).status).toBe(303);
  const upgrade = await ask(mine.host, "/", { ...websocket, origin: `http://${mine.host}` });
  expect(upgrade.status).toBe(401);
});

test("a guessed host answers like a Gitspace that is somebody else's", async () => {
  const guessed = await ask(`hello-aaaaaa.gitspaces.localhost:${gatewayPort}`, "/", {
    accept: "text/html",
    cookie: mine.cookie,
  });
  expect(guessed.status).not.toBe(200);
  expect(guessed.body).not.toContain("workbench");
});

test("the cookie of one Gitspace opens no other", async () => {
  const answer = await ask(other.host, "/", { cookie: mine.cookie, accept: "text/html" });
  expect(answer.status).toBe(303);
});

test("another person's session does not open a private Gitspace", async () => {
  await api.call("POST", "users", { identifier: "eve", display_name: "Eve", email: "eve@example.test" });
  const { token } = await api.call<{ token: string }>("POST", "tokens", { name: "eve", user_identifier: "eve" });
  const eve = apiClient(system.ready.ui, token);
  await expect(eve.call("GET", `gitspaces/${mine.id}`)).rejects.toThrow("404");
  await expect(eve.signInLink(mine.id)).rejects.toThrow("404");
  const session = await fetch(new URL("/api/v1/session", system.ready.ui), {
    method: "POST",
    headers: { "content-type": "application/json", origin: new URL(system.ready.ui).origin },
    body: JSON.stringify({ token }),
  });
  expect(session.ok).toBe(true);
  const cookie = (session.headers.getSetCookie()[0] ?? "").split(";")[0] ?? "";
  const start = await ask(mine.host, "/", { accept: "text/html" });
  const signIn = await fetch(String(start.headers["location"]).replace("//localhost", "//127.0.0.1"), {
    headers: { cookie, host: new URL(system.ready.ui).host },
    redirect: "manual",
  });
  expect(signIn.headers.get("location") ?? "").not.toContain("code=");
});

test.each([
  ["own", (host: string) => `http://${host}`, 101],
  ["absent", () => undefined, 403],
  ["null", () => "null", 403],
  ["foreign", () => "https://evil.test", 403],
  ["a sibling Gitspace", () => `http://${other.host}`, 403],
  ["another port of the same Gitspace", (host: string) => `http://3000--${host}`, 403],
  ["another scheme", (host: string) => `https://${host}`, 403],
])("an upgrade with the origin %s", async (_name, origin, status) => {
  const from = origin(mine.host);
  const query = "?reconnectionToken=00000000-0000-4000-8000-000000000000&reconnection=false&skipWebSocketFrames=false";
  const answer = await ask(mine.host, `/${query}`, {
    ...websocket,
    cookie: mine.cookie,
    ...(from === undefined ? {} : { origin: from }),
  });
  expect(answer.status).toBe(status);
});

test("a sign-in code is spent by its first use", async () => {
  const replay = await ask(mine.host, `/.gitspaces/sign-in${mine.code}`, { accept: "text/html" });
  expect(replay.status).toBeGreaterThanOrEqual(400);
  expect(JSON.stringify(replay.headers)).not.toContain("gs-");
});

test("a link opens one port until it is taken back, a token the ports it names, and no other door", async () => {
  const made = await api.call<{ identifier: string; link: string }>("POST", `gitspaces/${mine.id}/shares`, {
    port: 3000,
  });
  const { host, origin, hash } = new URL(made.link);
  const authorization = `Bearer ${hash.slice(1)}`;
  // Nothing listens there; whoever is let in is told so, and nobody else.
  await expect.poll(async () => (await ask(host, "/", { authorization })).status, { timeout: 10_000 }).toBe(502);
  expect((await ask(mine.host, "/", { authorization })).status).toBe(401);
  const browser = await openBrowser();
  const { page } = await newPerson(browser);
  await page.goto(made.link);
  await page.getByText("Nothing listens on port 3000").waitFor();
  expect(page.url()).toBe(`${origin}/`);
  await browser.close();
  const wide = await api.call<{ identifier: string; token: string }>("POST", "access-tokens", { name: "e2e" });
  const token = { authorization: `Bearer ${wide.token}` };
  const others = `3000--${other.host}`;
  await expect.poll(async () => (await ask(others, "/", token)).status, { timeout: 10_000 }).toBe(502);
  expect((await ask(other.host, "/", token)).status).toBe(401);
  await api.call("DELETE", `gitspaces/${mine.id}/shares/${made.identifier}`);
  await api.call("DELETE", `access-tokens/${wide.identifier}`);
  await expect.poll(async () => (await ask(host, "/", { authorization })).status, { timeout: 2_000 }).toBe(401);
  await expect.poll(async () => (await ask(others, "/", token)).status, { timeout: 2_000 }).toBe(401);
});
