// The control plane as a process: it says when it is ready, why it is not, and never a secret.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "@gitspaces/daemon/testing";
import { afterEach, expect, test } from "vitest";

const folders: string[] = [];
const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

const adminToken = `gsp_${randomBytes(32).toString("base64url")}`;

function configure(port: number, changes: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const folder = mkdtempSync(join(tmpdir(), "gs-control-plane-process-"));
  folders.push(folder);
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  const jwk = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  return {
    PATH: process.env["PATH"],
    GITSPACES_DATA_FOLDER: folder,
    GITSPACES_INSTALLATION: "test",
    GITSPACES_LISTEN: `127.0.0.1:${port}`,
    GITSPACES_ADMIN_LISTEN: "127.0.0.1:0",
    GITSPACES_PUBLIC_URL: `http://localhost:${port}`,
    GITSPACES_ACCOUNT_ID: "a1",
    GITSPACES_LOG_LEVEL: "debug",
    GITSPACES_DELEGATE_TOKEN_FILE: file("delegate", randomBytes(16).toString("hex")),
    GITSPACES_GATEWAY_TOKEN_FILE: file("gateway", randomBytes(32).toString("hex")),
    GITSPACES_ADMIN_TOKEN_FILE: file("admin", adminToken),
    GITSPACES_SIGNING_KEY_FILE: file("signing", JSON.stringify({ ...jwk, kid: "k1" })),
    GITSPACES_SECRETS_KEY_FILE: file("secrets", randomBytes(32).toString("hex")),
    ...changes,
  };
}

/** Starts the process; `output` grows with what it says. */
function run(env: NodeJS.ProcessEnv) {
  const child = spawn(process.execPath, [join(import.meta.dirname, "main.ts")], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  const said = { output: "" };
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => (said.output += chunk.toString()));
  const ready = async () => {
    while (!said.output.includes("control-plane ready")) {
      if (child.exitCode !== null) throw new Error(said.output);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  return { child, said, ready };
}

test("it says that it is ready, keeps secrets out of its log, and leaves when asked", async () => {
  const port = await freePort();
  const { child, said, ready } = run(configure(port));
  await ready();
  const url = `http://127.0.0.1:${port}`;
  const headers = { authorization: `Bearer ${adminToken}`, "content-type": "application/json" };
  const body = JSON.stringify({ code_repo_url: "https://a.example/b", code_repo_token: "canary-of-a-repository" });
  expect(
    (await fetch(`${url}/api/v1/gitspaces?nothing=canary-of-a-query`, { method: "POST", headers, body })).status,
  ).toBe(201);
  const made = await fetch(`${url}/api/v1/sign-in-links`, { method: "POST", headers, body: "{}" });
  const { pathname } = new URL(((await made.json()) as { sign_in_url: string }).sign_in_url);
  const opened = await fetch(`${url}${pathname}`, { redirect: "manual" });
  expect(opened.status).toBe(303);
  child.kill("SIGTERM");
  const [code] = (await once(child, "exit")) as [number];
  expect(code).toBe(0);
  expect(said.output).toContain("/sign-in/:code");
  const session = /gs-ui=([^;]+)/.exec(opened.headers.get("set-cookie") ?? "")?.[1] ?? "none";
  for (const secret of [
    adminToken,
    "canary-of-a-repository",
    "canary-of-a-query",
    pathname.split("/").at(-1) ?? "none",
    session,
  ]) {
    expect(said.output).not.toContain(secret);
  }
});

test.each([
  ["a missing secret", { GITSPACES_ADMIN_TOKEN_FILE: "/nowhere/token" }, "/nowhere/token"],
  ["a missing setting", { GITSPACES_ACCOUNT_ID: "" }, "GITSPACES_ACCOUNT_ID"],
  ["a key that is none", { GITSPACES_SIGNING_KEY_FILE: import.meta.filename }, "Ed25519"],
])("%s ends it at once, with words", async (_what, changes, words) => {
  const { child, said } = run(configure(0, changes));
  const [code] = (await once(child, "exit")) as [number];
  expect([code, said.output]).toEqual([1, expect.stringContaining(words)]);
});

test("a port that is taken ends it with words", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const { child, said } = run(configure(port));
  const [code] = (await once(child, "exit")) as [number];
  server.close();
  expect([code, said.output]).toEqual([1, expect.stringContaining(`127.0.0.1:${port} is in use`)]);
});

test("killed after an action was accepted, it knows of the task when it is back", async () => {
  const port = await freePort();
  const env = configure(port);
  const first = run(env);
  await first.ready();
  const url = `http://127.0.0.1:${port}/api/v1`;
  const headers = { authorization: `Bearer ${adminToken}`, "content-type": "application/json" };
  const made = await fetch(`${url}/gitspaces`, {
    method: "POST",
    headers,
    body: '{"code_repo_url":"https://a.example/b"}',
  });
  const { identifier } = (await made.json()) as { identifier: string };
  await fetch(`${url}/gitspaces/${identifier}/actions`, { method: "POST", headers, body: '{"action":"start"}' });
  first.child.kill("SIGKILL");
  await once(first.child, "exit");
  await run(env).ready();
  const shown = (await (await fetch(`${url}/gitspaces/${identifier}`, { headers })).json()) as {
    state: string;
    generation: number;
  };
  expect([shown.state, shown.generation]).toEqual(["starting", 1]);
});
