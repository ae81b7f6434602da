// SSH as people use it: OpenSSH's own client and tools, all the way into a Gitspace.
import { execFile, execFileSync, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Gitspace, SshKey } from "@gitspaces/contracts";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { apiClient } from "./api.ts";
import { commandLine } from "./command-line.ts";
import { commitFiles } from "./git-server.ts";

const system = inject("system");
const git = inject("git");
const api = apiClient(system.ready.ui, system.adminToken);
const home = mkdtempSync(join(tmpdir(), "ssh-"));
const cli = commandLine(system, home);
const config = join(home, ".ssh/config");
const big = join(home, "big");
let gitspace: Gitspace;
let host: string;

type Ran = { code: number | null; out: Buffer; err: string };
type Running = ReturnType<typeof start>;

/** Starts a tool of OpenSSH as the person whose home this is. */
function start(tool: string, args: string[], input: string | Buffer = "", env: NodeJS.ProcessEnv = {}) {
  const child = spawn(tool, args, { cwd: home, env: { PATH: process.env["PATH"], HOME: home, TERM: "xterm", ...env } });
  const out: Buffer[] = [];
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  const ended = once(child, "close").then(
    ([code]): Ran => ({ code: code as number | null, out: Buffer.concat(out), err }),
  );
  return { child, ended, said: () => Buffer.concat(out).toString() };
}
const run = async (...asked: Parameters<typeof start>): Promise<Ran> => await start(...asked).ended;
const ssh = async (args: string[], input: string | Buffer = ""): Promise<Ran> =>
  await run("ssh", ["-F", config, ...args], input);
const digest = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
const digestOf = (file: string): string => digest(readFileSync(file));

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
async function until<T>(what: string, look: () => Promise<T | undefined> | T | undefined): Promise<T> {
  for (
    const giveUp = Date.now() + 20_000;
    Date.now() < giveUp;
    await new Promise((resolve) => setTimeout(resolve, 50))
  ) {
    const found = await Promise.resolve(look()).catch(() => undefined);
    if (found !== undefined && found !== false) return found;
  }
  throw new Error(`${what} did not come`);
}
async function stop({ child, ended }: Running): Promise<void> {
  child.kill("SIGTERM");
  await ended;
}

beforeAll(async () => {
  const path = commitFiles(git.root, "by-ssh", { "README.md": "reached by ssh\n" });
  gitspace = await api.create(`${git.url}${path}`);
  host = `gitspaces.${gitspace.identifier}`;
  writeFileSync(big, randomBytes(8 * 1024 * 1024));
  const { code, err } = await cli(["config-ssh"]);
  if (code !== 0) throw new Error(err);
});
afterAll(async () => {
  await api.call("DELETE", `gitspaces/${gitspace.identifier}`);
  for (const key of await api.call<SshKey[]>("GET", "user/ssh-keys"))
    await api.call("DELETE", `user/ssh-keys/${key.identifier}`);
  rmSync(home, { recursive: true, force: true });
});

test("a command's output, errors, input and exit code are its own, and nothing else is said", async () => {
  const ran = await ssh([host, "cat README.md; echo oops >&2; exit 7"]);
  expect({ ...ran, out: ran.out.toString() }).toEqual({ code: 7, out: "reached by ssh\n", err: "oops\n" });
  const input = readFileSync(big);
  const echoed = await ssh([host, "cat"], input);
  expect({ code: echoed.code, digest: digest(echoed.out) }).toEqual({ code: 0, digest: digest(input) });
  expect((await ssh([host, "kill -TERM $$"])).code).not.toBe(0);
});

test("a shell has a terminal of the person's size", async () => {
  const inner = `stty rows 41 cols 133; exec ssh -F '${config}' -tt ${host}`;
  const shell = spawn("script", ["-qfec", inner, "/dev/null"], {
    env: { PATH: process.env["PATH"], HOME: home, TERM: "xterm-256color", SHELL: "/bin/sh" },
  });
  let said = "";
  shell.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const ended = once(shell, "close");
  shell.stdin.write("echo size $(stty size) $TERM; cat README.md; exit 3\n");
  await until("the terminal's size", () => (/size 41 133 xterm-256color/.test(said) ? true : undefined));
  expect((await ended)[0]).toBe(3);
  expect(said).toContain("reached by ssh");
});

test("scp brings a file there and back byte for byte, by SFTP and by its old protocol", async () => {
  for (const protocol of [["-s"], ["-O"]]) {
    expect(await run("scp", ["-qF", config, ...protocol, big, `${host}:up`])).toMatchObject({ code: 0, err: "" });
    expect((await run("scp", ["-qF", config, ...protocol, `${host}:up`, join(home, "down")])).code).toBe(0);
    expect(digestOf(join(home, "down"))).toBe(digestOf(big));
  }
});

test("sftp lists, renames, resumes and removes", async () => {
  const half = join(home, "half");
  writeFileSync(half, readFileSync(big).subarray(0, 1_000_000));
  const steps = `put ${big} one\nrename one two\nreget two ${half}\nls -1 two\nrm two\n`;
  const { code, out } = await run("sftp", ["-qF", config, "-b", "-", host], steps);
  expect({ code, digest: digestOf(half) }).toEqual({ code: 0, digest: digestOf(big) });
  expect(out.toString()).toMatch(/^two\s*$/m);
  expect((await ssh([host, "ls two"])).code).not.toBe(0);
});

test("rsync sends a tree and then only what changed", async () => {
  const tree = join(home, "tree");
  mkdirSync(join(tree, "deep"), { recursive: true });
  writeFileSync(join(tree, "deep/file"), randomBytes(300_000));
  writeFileSync(join(tree, "small"), "first");
  const send = async () =>
    await run("rsync", ["-ai", "--delete", "-e", `ssh -F ${config}`, `${tree}/`, `${host}:tree/`]);
  expect((await send()).code).toBe(0);
  writeFileSync(join(tree, "small"), "second");
  const again = (await send()).out.toString();
  expect([again.includes("small"), again.includes("deep/file")]).toEqual([true, false]);
  const back = join(home, "back");
  expect((await run("rsync", ["-a", "-e", `ssh -F ${config}`, `${host}:tree/`, back])).code).toBe(0);
  expect([readFileSync(join(back, "small"), "utf8"), digestOf(join(back, "deep/file"))]).toEqual([
    "second",
    digestOf(join(tree, "deep/file")),
  ]);
});

test("-L and -D reach a server in the Gitspace; a script on stdin runs beside them, as editors do it", async () => {
  const [inside, local, socks] = [await freePort(), await freePort(), await freePort()];
  const serve = `python3 -m http.server --bind 127.0.0.1 ${inside}`;
  const script = `echo begin\nexec ${serve} >/dev/null 2>&1\n`;
  const forwards = ["-L", `${local}:localhost:${inside}`, "-D", String(socks)];
  const session = start("ssh", ["-F", config, "-T", ...forwards, host, "sh"], script);
  const page = await until("the page by -L", async () => {
    const answer = await fetch(`http://127.0.0.1:${local}/README.md`);
    return answer.ok ? await answer.text() : undefined;
  });
  expect({ page, said: session.said() }).toEqual({ page: "reached by ssh\n", said: "begin\n" });
  const curl = ["-s", "--socks5-hostname", `127.0.0.1:${socks}`, `http://localhost:${inside}/README.md`];
  expect((await run("curl", curl)).out.toString()).toBe("reached by ssh\n");
  await stop(session);
});

test("-J goes through to the Gitspace's own sshd, whose host key stays the same", async () => {
  const key = /IdentityFile "(.*)"/.exec(readFileSync(join(home, ".ssh/gitspaces/config"), "utf8"))?.[1] ?? "";
  const user = (await api.call<Gitspace>("GET", `gitspaces/${gitspace.identifier}`)).instance?.machine_user ?? "";
  const known = ["-o", `UserKnownHostsFile=${join(home, "known")}`, "-o", "GlobalKnownHostsFile=/dev/null"];
  const jump = (strict: string) =>
    ssh([
      "-J",
      host,
      "-i",
      key,
      ...known,
      "-o",
      `StrictHostKeyChecking=${strict}`,
      `${user}@${gitspace.identifier}`,
      "cat README.md; exit 4",
    ]);
  const first = await jump("accept-new");
  expect({ ...first, out: first.out.toString() }).toMatchObject({ code: 4, out: "reached by ssh\n" });
  const again = await jump("yes");
  expect({ ...again, out: again.out.toString() }).toEqual({ code: 4, out: "reached by ssh\n", err: "" });
});

test("one master connection carries many sessions", async () => {
  const socket = join(home, "m");
  const master = start("ssh", ["-F", config, "-MNS", socket, host]);
  await until("the master", async () =>
    (await ssh(["-S", socket, "-O", "check", host])).code === 0 ? true : undefined,
  );
  const many = await Promise.all(
    Array.from({ length: 8 }, (_, at) => ssh(["-S", socket, host, `echo ${at}; exit ${at}`])),
  );
  expect(many.map(({ code, out }) => `${code} ${out.toString()}`)).toEqual(many.map((_, at) => `${at} ${at}\n`));
  await ssh(["-S", socket, "-O", "exit", host]);
  await master.ended;
});

test("the person's agent is reached from inside with -A, and not without", async () => {
  const socket = join(home, "agent");
  const agent = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" });
  try {
    const key = join(home, "carried");
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "carried", "-f", key]);
    const env = { SSH_AUTH_SOCK: socket };
    await until("the agent", async () => ((await run("ssh-add", ["-q", key], "", env)).code === 0 ? true : undefined));
    const [, base64 = ""] = readFileSync(`${key}.pub`, "utf8").split(" ");
    const listed = await run("ssh", ["-F", config, "-A", host, "ssh-add -L"], "", env);
    expect(listed.out.toString()).toContain(base64);
    expect((await run("ssh", ["-F", config, host, "ssh-add -L"], "", env)).code).not.toBe(0);
  } finally {
    agent.kill();
  }
});

test("gitspaces ssh runs a command with its exit code, by TCP and inside HTTP", async () => {
  for (const way of [[], ["--websocket"]]) {
    const { code, out } = await cli(["ssh", gitspace.identifier, ...way, "--", "cat README.md; exit 5"]);
    expect({ way, code, out }).toEqual({ way, code: 5, out: "reached by ssh\n" });
  }
});

test("inside HTTP everything works as it does by TCP: shell scripts, scp, forwarding", async () => {
  const carried = join(home, "carried-config");
  const { code, out } = await cli(["config-ssh", "--websocket", "--dry-run"]);
  expect(code).toBe(0);
  const key = /IdentityFile .*/.exec(readFileSync(join(home, ".ssh/gitspaces/config"), "utf8"))?.[0] ?? "";
  writeFileSync(carried, out.replace(/IdentityFile .*/, key));
  expect((await run("scp", ["-qF", carried, big, `${host}:over-http`])).code).toBe(0);
  expect((await run("scp", ["-qF", carried, `${host}:over-http`, join(home, "over-http")])).code).toBe(0);
  expect(digestOf(join(home, "over-http"))).toBe(digestOf(big));
  const ran = await run("ssh", ["-F", carried, host, "cat; exit 9"], "whole\n");
  expect({ ...ran, out: ran.out.toString() }).toEqual({ code: 9, out: "whole\n", err: "" });
});

test("the host keys that config-ssh wrote are the gateway's; another key at that address is refused", async () => {
  const strange = join(home, "strange");
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", strange]);
  const [type, base64] = readFileSync(`${strange}.pub`, "utf8").split(" ");
  writeFileSync(join(home, "strange-hosts"), `gitspaces.localhost ${type} ${base64}\n`);
  const refused = await ssh(["-o", `UserKnownHostsFile=${join(home, "strange-hosts")}`, host, "true"]);
  expect({ code: refused.code, err: refused.err }).toMatchObject({
    code: 255,
    err: expect.stringMatching(/host key/i),
  });
});

test("a key that nobody registered opens nothing", async () => {
  const options = ["-o", "IdentityFile=none", "-i", join(home, "strange"), "-o", "IdentitiesOnly=yes"];
  const known = [
    "-o",
    `UserKnownHostsFile=${join(home, ".ssh/gitspaces/known_hosts")}`,
    "-o",
    "HostKeyAlias=gitspaces.localhost",
  ];
  const place = ["-p", String(system.portBase + 2), `${gitspace.identifier}@127.0.0.1`, "true"];
  const refused = await run("ssh", ["-F", "none", ...options, ...known, ...place]);
  expect({ code: refused.code, err: refused.err }).toMatchObject({
    code: 255,
    err: expect.stringContaining("Permission denied (publickey)"),
  });
});

test("ssh-audit finds no failure in the gateway", async () => {
  const { code, out } = await new Promise<{ code: number; out: string }>((resolve) =>
    execFile("ssh-audit", ["-n", "-p", String(system.portBase + 2), "127.0.0.1"], { timeout: 60_000 }, (error, text) =>
      resolve({ code: error === null ? 0 : Number(error.code), out: text }),
    ),
  );
  // 0: nothing to say; 2: warnings. 1: it could not connect; 3: failures.
  expect({ code: [0, 2].includes(code), failures: out.split("\n").filter((line) => line.includes("[fail]")) }).toEqual({
    code: true,
    failures: [],
  });
  expect(out).toContain("ssh-ed25519");
});

test("a live session ends within two seconds of its key's removal, and the key opens nothing any more", async () => {
  const session = start("ssh", ["-F", config, host, "echo in; sleep 300"]);
  await until("the session", () => (session.said() === "in\n" ? true : undefined));
  const [key] = await api.call<SshKey[]>("GET", "user/ssh-keys");
  const from = performance.now();
  expect((await cli(["ssh-key", "remove", key?.fingerprint ?? ""])).code).toBe(0);
  expect((await session.ended).code).toBe(255);
  // The command itself takes up to a second to start.
  expect(performance.now() - from).toBeLessThan(4_000);
  expect((await ssh([host, "true"])).code).toBe(255);
});
