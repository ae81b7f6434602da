// SSH from the command line: what ssh is told, what is written into a home folder, and bytes carried inside HTTP.
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { websocketBytes } from "@gitspaces/contracts/websocket-bytes";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { WebSocketServer } from "ws";
import { type CliHome, launcher, makeHome, type Ran, startCli } from "../testing/cli-process.ts";
import { HOST_KEY, type StandIn, startStandIn } from "../testing/stand-in.ts";

let server: StandIn;
let home: CliHome;
let id: string;
const opened = new AsyncDisposableStack();
const ssh = (...names: string[]): string => join(home.folder, ".ssh", ...names);

beforeAll(async () => {
  server = opened.use(await startStandIn());
  id = server.create({ name: "hello", code_repo_url: "https://example.com/ada/hello.git" }).identifier;
});
beforeEach(() => {
  home = opened.use(makeHome());
});
afterAll(() => opened.disposeAsync());

function run(args: string[], options: { env?: NodeJS.ProcessEnv; input?: string } = {}): Promise<Ran> {
  const env = { GITSPACES_URL: server.url, GITSPACES_TOKEN_FILE: home.tokenFile, ...options.env };
  return startCli(home, args, { ...options, env }).ended;
}
function makeKey(file: string): string {
  mkdirSync(join(file, ".."), { recursive: true, mode: 0o700 });
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "ada@laptop", "-f", file]);
  return readFileSync(`${file}.pub`, "utf8").trim();
}
/** What the real ssh makes of the configuration in this home, for one host. */
function asked(host: string): Map<string, string> {
  const out = execFileSync("ssh", ["-G", "-F", ssh("config"), host], { encoding: "utf8", stdio: "pipe" });
  return new Map(out.split("\n").map((line) => [line.split(" ")[0] ?? "", line.slice(line.indexOf(" ") + 1)]));
}

test("a key is added, listed and removed, and a private one is never sent", async () => {
  const line = makeKey(ssh("id_ed25519"));
  const added = await run(["ssh-key", "add", ssh("id_ed25519.pub"), "--json"]);
  expect(JSON.parse(added.out)).toMatchObject({ name: "ada@laptop", type: "ssh-ed25519" });
  expect((await run(["ssh-key", "add", "-"], { input: `${line}\n` })).out).toContain("ada@laptop (SHA256:");
  const listed = await run(["ssh-key", "list"]);
  expect(listed.out.match(/SHA256:/g)).toHaveLength(1);
  expect((await run(["ssh-key", "remove", "nobody's"])).code).toBe(3);
  expect((await run(["ssh-key", "remove", "ada@laptop"])).code).toBe(0);
  expect((await run(["ssh-key", "add", ssh("missing.pub")])).code).toBe(2);
  const before = server.requests.length;
  const secret = await run(["ssh-key", "add", ssh("id_ed25519")]);
  expect({ code: secret.code, err: secret.err }).toMatchObject({ code: 2, err: expect.stringContaining(".pub") });
  expect(server.requests.length).toBe(before);
});

test("config-ssh makes a key, registers it, and the real ssh then knows every Gitspace", async () => {
  const { code, out, err } = await run(["config-ssh"]);
  expect({ code, err }).toMatchObject({ code: 0, err: expect.stringContaining("Registered") });
  expect(out).toContain(`ssh gitspaces.${id}`);
  for (const host of [`gitspaces.${id}`, `${id}.gitspace`]) {
    expect(Object.fromEntries(asked(host))).toMatchObject({
      user: id,
      hostname: "127.0.0.1",
      port: "7402",
      hostkeyalias: "gitspaces.localhost",
      stricthostkeychecking: "true",
      identitiesonly: "yes",
      identityfile: join(home.folder, ".config/gitspaces/ssh/id_ed25519"),
      userknownhostsfile: ssh("gitspaces/known_hosts"),
    });
  }
  expect(asked("example.com").get("hostname")).toBe("example.com");
  expect(readFileSync(ssh("gitspaces/known_hosts"), "utf8")).toBe(`gitspaces.localhost ${HOST_KEY}\n`);
  const modes = [ssh("config"), ssh("gitspaces/config"), join(home.folder, ".config/gitspaces/ssh/id_ed25519")];
  expect(modes.map((file) => statSync(file).mode & 0o777)).toEqual([0o600, 0o600, 0o600]);
});

test("what else is in the person's configuration stays byte for byte, however often it is written, and after --remove", async () => {
  const theirs = "Host work\r\n  HostName work.example\n\n\n# the end, without a line break";
  mkdirSync(ssh(), { mode: 0o700 });
  writeFileSync(ssh("their-dotfiles"), theirs);
  symlinkSync("their-dotfiles", ssh("config"));
  expect((await run(["config-ssh"])).code).toBe(0);
  const first = readFileSync(ssh("config"), "utf8");
  expect((await run(["config-ssh"])).code).toBe(0);
  expect(readFileSync(ssh("their-dotfiles"), "utf8")).toBe(first);
  expect(first.endsWith(theirs)).toBe(true);
  expect(asked("work").get("hostname")).toBe("work.example");
  expect(asked(`gitspaces.${id}`).get("user")).toBe(id);
  expect((await run(["config-ssh", "--remove"])).code).toBe(0);
  expect(readFileSync(ssh("their-dotfiles"), "utf8")).toBe(theirs);
  expect(existsSync(ssh("gitspaces"))).toBe(false);
});

test("half of a section is not guessed at: nothing is written or registered", async () => {
  mkdirSync(ssh(), { mode: 0o700 });
  const broken = "# <<< gitspaces\nHost *\n";
  writeFileSync(ssh("config"), broken);
  const before = server.requests.length;
  expect((await run(["config-ssh"])).code).toBe(2);
  expect(readFileSync(ssh("config"), "utf8")).toBe(broken);
  expect(server.requests.length).toBe(before);
});

test("--dry-run shows what would be written, makes no key and writes nothing", async () => {
  const { out } = await run(["config-ssh", "--dry-run", "--websocket"]);
  expect(out).toContain(`Host gitspaces.${id} ${id}.gitspace`);
  expect(out).toContain("ProxyCommand");
  expect([existsSync(ssh()), existsSync(join(home.folder, ".config/gitspaces"))]).toEqual([false, false]);
});

test("a key of theirs that is registered already is used, and no other is made", async () => {
  makeKey(ssh("id_rsa_old"));
  makeKey(ssh("id_ed25519"));
  await run(["ssh-key", "add", ssh("id_ed25519.pub")]);
  const { err } = await run(["config-ssh"]);
  expect(err).not.toContain("Registered");
  expect(asked(`gitspaces.${id}`).get("identityfile")).toBe(ssh("id_ed25519"));
});

test("ssh runs the system's own ssh with one known host, one key, and ends with its exit code", async () => {
  const tools = join(home.folder, "tools");
  mkdirSync(tools);
  writeFileSync(join(tools, "ssh"), `#!/bin/sh\nprintf '%s\\n' "$@"\nexit 7\n`);
  chmodSync(join(tools, "ssh"), 0o755);
  const env = { PATH: `${tools}:${process.env["PATH"]}` };
  const words = ["ssh", "hello", "-A", "-L", "8080:localhost:3000", "--", "printf", "%s", "two words"];
  const { code, out } = await run(words, { env });
  expect(code).toBe(7);
  const lines = out.trimEnd().split("\n");
  expect(lines).toEqual(
    expect.arrayContaining([`User=${id}`, "StrictHostKeyChecking=yes", "-A", "8080:localhost:3000"]),
  );
  expect(lines.slice(-5)).toEqual([`gitspaces.${id}`, "--", "printf", "%s", "two words"]);
  expect(lines.join()).not.toContain("ProxyCommand");
  const carried = await run(["ssh", "hello", "--websocket"], { env });
  expect(carried.out).toContain(`ProxyCommand='${launcher}' ssh-proxy --gateway 'http://gitspaces.localhost:7401' %r`);
});

const GREETING = "SSH-2.0-first\r\n";

/** A gateway that gives back what it is sent, or refuses. */
async function gateway(refuse?: number) {
  const hosts: (string | undefined)[] = [];
  const http = createServer();
  const sockets = new WebSocketServer({ noServer: true });
  http.on("upgrade", (request: IncomingMessage, socket, head) => {
    hosts.push(`${request.headers.host} ${request.url} ${String(request.headers.origin)}`);
    if (refuse !== undefined) {
      const body = JSON.stringify({
        type: "about:blank",
        title: "x",
        status: refuse,
        detail: "no SSH here.",
        code: "denied",
        retry: "never",
      });
      socket.end(
        `HTTP/1.1 ${refuse} No\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
      );
      return;
    }
    sockets.handleUpgrade(request, socket, head, (open) => {
      const bytes = websocketBytes(open);
      // As an SSH server does, it speaks first, together with its handshake.
      bytes.write(GREETING);
      void pipeline(bytes, bytes).catch(() => undefined);
    });
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const { port } = http.address() as AddressInfo;
  return {
    port,
    hosts,
    url: `http://gitspaces.localhost:${port}`,
    async [Symbol.asyncDispose]() {
      sockets.clients.forEach((each) => each.terminate());
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

test("ssh-proxy carries megabytes there and back, asks no control plane, and ends with its input", async () => {
  await using door = await gateway();
  const sent = randomBytes(3 * 1024 * 1024).toString("base64");
  const env = { GITSPACES_URL: "http://127.0.0.1:1" };
  const { code, out } = await run(["ssh-proxy", "--gateway", door.url, id], { env, input: sent });
  expect({ code, isWhole: out === GREETING + sent }).toEqual({ code: 0, isWhole: true });
  expect(door.hosts).toEqual([`${id}.gitspaces.localhost:${door.port} /.gitspaces/ssh undefined`]);
});

test("ssh-proxy says why a gateway refuses, and that one is not there, on stderr alone", async () => {
  await using door = await gateway(404);
  const refused = await run(["ssh-proxy", "--gateway", door.url, id]);
  expect(refused).toMatchObject({ code: 4, out: "", err: expect.stringContaining("no SSH here.") });
  const absent = await run(["ssh-proxy", "--gateway", "http://gitspaces.localhost:1", id]);
  expect(absent).toMatchObject({ code: 1, out: "", err: expect.stringContaining("ECONNREFUSED") });
  expect((await run(["ssh-proxy", "--gateway", door.url, "not/an/id"])).code).toBe(2);
});

test("ssh-proxy goes by the network's proxy, and past it where NO_PROXY says", async () => {
  await using door = await gateway();
  const tunnels: string[] = [];
  const proxy = createServer();
  proxy.on("connect", (request: IncomingMessage, socket, head: Buffer) => {
    tunnels.push(`${request.url} ${request.headers["proxy-authorization"]}`);
    const upstream = connect(door.port, "127.0.0.1", () => socket.write("HTTP/1.1 200 OK\r\n\r\n"));
    upstream.write(head);
    upstream.pipe(socket).pipe(upstream);
    socket.on("error", () => upstream.destroy());
    upstream.on("error", () => socket.destroy());
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const env = { HTTP_PROXY: `http://ada:secret@127.0.0.1:${(proxy.address() as AddressInfo).port}` };
  const args = ["ssh-proxy", "--gateway", "http://gitspaces.example", id];
  expect(await run(args, { env, input: "through" })).toMatchObject({ code: 0, out: `${GREETING}through` });
  expect(tunnels).toEqual([`${id}.gitspaces.example:80 Basic ${Buffer.from("ada:secret").toString("base64")}`]);
  const direct = await run(["ssh-proxy", "--gateway", "http://gitspaces.invalid", id], {
    env: { ...env, NO_PROXY: ".invalid" },
  });
  expect(direct.code).toBe(1);
  expect(tunnels).toHaveLength(1);
  proxy.close();
});
