// SSH through a whole gateway with the real OpenSSH client: terminated and by jump, with all that comes with it.
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import ssh2, { type AuthenticationType, type AuthHandlerMiddleware } from "ssh2";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startSshd, type TestSshd } from "../testing/sshd.ts";
import { makePrivateKey } from "./private-key.ts";
import { ADA, BOB, openStreet, type Street, until } from "../testing/street.ts";

type Key = { file: string; line: string };
type Said = { code: number | null; out: string; err: string };
let street: Street;
let sshd: TestSshd;
let folder: string;
let key: Key;
let stranger: Key;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "ssh-door-"));
  key = makeKey("key");
  stranger = makeKey("stranger");
  sshd = startSshd();
  street = await openStreet();
  street.agent.onSsh = sshd.serve;
  await street.setRoute();
  await publish();
  await street.controlPlane.publish({ gitspaceId: BOB, owner: "bob", sshKeys: [stranger.line] });
  await until(() => street.gateway.house.access.find(BOB) !== undefined, "the documents came");
  await until(() => street.gateway.house.routes.find(ADA) !== undefined, "the route came");
});
afterAll(async () => {
  await street[Symbol.asyncDispose]();
  sshd[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

function makeKey(name: string, ...kind: string[]): Key {
  const file = join(folder, name);
  execFileSync("ssh-keygen", ["-q", ...(kind.length === 0 ? ["-t", "ed25519"] : kind), "-N", "", "-f", file]);
  return { file, line: readFileSync(`${file}.pub`, "utf8").split(" ").slice(0, 2).join(" ") };
}

async function publish(more: object = {}): Promise<void> {
  await street.controlPlane.publish({ gitspaceId: ADA, owner: "ada", sshKeys: [key.line], ...more });
}

const port = () => String(street.gateway.sshAddress.port);

function options(as: Key, more: Record<string, string> = {}): string[] {
  const all = {
    IdentityFile: as.file,
    IdentitiesOnly: "yes",
    IdentityAgent: "none",
    BatchMode: "yes",
    StrictHostKeyChecking: "no",
    UserKnownHostsFile: "/dev/null",
    LogLevel: "ERROR",
    ...more,
  };
  return ["-F", "none", ...Object.entries(all).flatMap(([name, value]) => ["-o", `${name}=${value}`])];
}

async function tell(program: string, args: readonly string[], input: string | Buffer = ""): Promise<Said> {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.on("error", () => {}).end(input);
  const ended = once(child, "close") as Promise<[number | null]>;
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, out, err };
}

type Call = { as?: Key; login?: string; input?: string | Buffer; more?: Record<string, string>; flags?: string[] };
async function ssh(command: string[], { as = key, login = ADA, input, more, flags = [] }: Call = {}): Promise<Said> {
  return tell("ssh", [...options(as, more), "-p", port(), ...flags, `${login}@127.0.0.1`, ...command], input);
}

/** By a jump; `login` is the name on the jump leg. */
function jumpOptions(as: Key, login = "whoever"): string[] {
  const way = ["ssh", ...options(as), "-p", port(), "-W", "[%h]:%p", `${login}@127.0.0.1`].join(" ");
  return options(as, { ProxyCommand: way });
}

test("a command runs in the Gitspace: input, output, errors and its exit status go through", async () => {
  const said = await ssh(["cat; echo wrong >&2; exit 7"], { input: "typed" });
  expect(said).toEqual({ code: 7, out: "typed", err: "wrong\n" });
  expect(sshd.named.at(-1)).toHaveLength(1);
  expect(sshd.named.at(-1)?.[0], "the gateway's own key, not the person's").not.toBe(key.line);
});

test("a program that a signal ends is told as one", async () => {
  const said = await ssh(["kill -TERM $$"], { more: { LogLevel: "DEBUG1" } });
  expect(said).toMatchObject({ code: 255, err: expect.stringContaining("rtype exit-signal") });
});

test("a terminal has the size and the type of the client's, and a shell in it is a login shell", async () => {
  const said = await ssh([], {
    flags: ["-tt"],
    input: "stty size; echo T=$TERM; shopt -q login_shell && echo login; exit 3\n",
  });
  expect(said.code).toBe(3);
  expect(said.out).toMatch(/T=/);
  expect(said.out).toMatch(/login\r\n/);
});

test("variables are sent on", async () => {
  expect((await ssh(["echo $GREETING"], { more: { SetEnv: "GREETING=hello" } })).out).toBe("hello\n");
});

test("a megabyte both ways arrives whole", async () => {
  const bytes = randomBytes(1_000_000);
  const file = join(folder, "bytes");
  writeFileSync(file, bytes);
  const target = `${ADA}@127.0.0.1:${sshd.folder}/copy`;
  const often = options(key, { RekeyLimit: "128K" });
  expect(await tell("scp", [...often, "-P", port(), file, target])).toMatchObject({ code: 0, err: "" });
  expect(readFileSync(join(sshd.folder, "copy")).equals(bytes)).toBe(true);
  expect(await tell("scp", ["-O", ...options(key), "-P", port(), target, `${file}.back`])).toMatchObject({ code: 0 });
  expect(readFileSync(`${file}.back`).equals(bytes)).toBe(true);
});

test("sftp lists and fetches, rsync sends", async () => {
  const batch = `put ${key.file}.pub ${sshd.folder}/by-sftp\nls ${sshd.folder}\n`;
  const said = await tell("sftp", [...options(key), "-P", port(), "-b", "-", `${ADA}@127.0.0.1`], batch);
  expect(said).toMatchObject({ code: 0, out: expect.stringContaining("by-sftp") });
  const shell = ["ssh", ...options(key), "-p", port()].join(" ");
  const sent = await tell("rsync", ["-e", shell, `${key.file}.pub`, `${ADA}@127.0.0.1:${sshd.folder}/by-rsync`]);
  expect(sent).toMatchObject({ code: 0 });
  expect(readFileSync(join(sshd.folder, "by-rsync"), "utf8")).toBe(readFileSync(`${key.file}.pub`, "utf8"));
});

test("a jump reaches the Gitspace's own sshd, whatever the name on the way, with the owner's keys", async () => {
  for (const login of ["whoever", ADA]) {
    const said = await tell("ssh", [...jumpOptions(key, login), `${sshd.user}@${ADA}`, "cat; exit 5"], "through");
    expect(said).toEqual({ code: 5, out: "through", err: "" });
    expect(sshd.named.at(-1)).toEqual([key.line]);
  }
});

test("-J is the same", async () => {
  // OpenSSH gives its own options on to no jump, so they stand in a file.
  const config = join(folder, "config");
  writeFileSync(
    config,
    `Host *\n${options(key)
      .slice(2)
      .filter((each) => each !== "-o")
      .map((each) => each.replace("=", " "))
      .join("\n")}\n`,
  );
  const said = await tell("ssh", ["-F", config, "-J", `any@127.0.0.1:${port()}`, `${sshd.user}@${ADA}`, "echo there"]);
  expect(said).toMatchObject({ code: 0, out: "there\n" });
});

test("-L reaches the Gitspace's loopback and nothing else; -R listens inside; both by ControlMaster", async () => {
  const server = createServer((_request, response) => response.end("served")).listen(0, "127.0.0.1");
  await once(server, "listening");
  const served = (server.address() as AddressInfo).port;
  const control = join(folder, "c");
  const more = { ControlPath: control };
  const master = spawn("ssh", [...options(key, more), "-MN", "-p", port(), `${ADA}@127.0.0.1`], { stdio: "inherit" });
  const over = once(master, "close");
  await until(() => existsSync(control), "the master stands");
  const manage = (...args: string[]) => ssh([], { more, flags: ["-O", ...args] });
  const local = join(folder, "l");
  expect(await manage("forward", "-L", `${local}:127.0.0.1:${served}`)).toMatchObject({ code: 0 });
  expect((await tell("curl", ["-sS", "--unix-socket", local, "http://x/"])).out).toBe("served");
  const away = join(folder, "a");
  await manage("forward", "-L", `${away}:192.0.2.1:80`);
  expect((await tell("curl", ["-sS", "--unix-socket", away, "http://x/"])).code).not.toBe(0);
  const chosen = (await manage("forward", "-R", `0:127.0.0.1:${served}`)).out.trim();
  expect((await tell("curl", ["-sS", `http://127.0.0.1:${chosen}/`])).out).toBe("served");
  const back = join(folder, "b");
  expect(await manage("forward", "-R", `${back}:127.0.0.1:${served}`)).toMatchObject({ code: 0 });
  expect((await tell("curl", ["-sS", "--unix-socket", back, "http://x/"])).out).toBe("served");
  expect((await ssh(["echo again"], { more })).out).toBe("again\n");
  await manage("exit");
  await over;
  server.close();
});

test("the person's agent is asked from inside, where they let it", async () => {
  const at = join(folder, "agent");
  const agent = spawn("ssh-agent", ["-D", "-a", at], { stdio: "ignore" });
  await until(() => existsSync(at), "the agent stands");
  await tell("env", [`SSH_AUTH_SOCK=${at}`, "ssh-add", "-q", key.file]);
  const more = { IdentityAgent: at, ForwardAgent: "yes" };
  expect((await ssh(["ssh-add -L"], { more })).out).toContain(key.line);
  expect((await ssh(["ssh-add -L"], { more: { ...more, ForwardAgent: "no" } })).out).toBe("");
  agent.kill();
});

test("RSA and ECDSA keys open as well, a signature of SHA-1 does not", async () => {
  const rsa = makeKey("rsa", "-t", "rsa", "-b", "2048");
  const ecdsa = makeKey("ecdsa", "-t", "ecdsa", "-b", "521");
  await publish({ sshKeys: [key.line, `${rsa.line} with a comment`, ecdsa.line] });
  await until(() => street.gateway.house.access.find(ADA)?.sshKeys.length === 3, "the keys came");
  for (const as of [rsa, ecdsa]) expect(await ssh(["echo in"], { as })).toMatchObject({ code: 0, out: "in\n" });
  const old = await ssh(["echo in"], { as: rsa, more: { PubkeyAcceptedAlgorithms: "ssh-rsa" } });
  expect(old).toMatchObject({ code: 255, out: "" });
});

test("unknown keys, unknown Gitspaces and foreign ones are answered alike", async () => {
  const nobody = makeKey("nobody");
  const answers = [
    await ssh(["true"], { as: nobody }),
    await ssh(["true"], { as: nobody, login: "nowhere-000000" }),
    await ssh(["true"], { as: nobody, login: BOB }),
  ];
  for (const { code, err } of answers) {
    expect(code).toBe(255);
    expect(err.replace(/^\S+: /, "")).toBe("Permission denied (publickey).\r\n");
  }
});

test("a key that opens another Gitspace opens no session here, and no jump", async () => {
  const before = sshd.named.length;
  const said = await ssh(["true"], { as: stranger });
  expect(said).toMatchObject({ code: 255, err: expect.stringContaining("There is no Gitspace") });
  const jumped = await tell("ssh", [...jumpOptions(stranger), `${sshd.user}@${ADA}`, "true"]);
  expect(jumped.code).toBe(255);
  const loopback = await tell("ssh", [...options(stranger), "-p", port(), "-W", "127.0.0.1:22", `${ADA}@127.0.0.1`]);
  expect(loopback.code).toBe(255);
  expect(sshd.named.length).toBe(before);
});

test("the third try that fails is the last, and questions about keys have an end too", async () => {
  const tried = async (handler: AuthenticationType[] | AuthHandlerMiddleware): Promise<void> => {
    const client = new ssh2.Client().on("error", () => {});
    client.connect({ host: "127.0.0.1", port: Number(port()), username: ADA, authHandler: handler });
    await once(client, "close");
  };
  let passwords = 0;
  await tried((_left, _partial, next) => {
    passwords++;
    next({ type: "password", username: ADA, password: "x" });
  });
  expect(passwords).toBe(3);
  let questions = 0;
  await tried((_left, _partial, next) => {
    questions++;
    next({ type: "publickey", username: ADA, key: makePrivateKey() });
  });
  expect(questions).toBe(20);
});

test("a session ends within two seconds when its key is taken away, or its Gitspace stops", async () => {
  for (const change of [{ sshKeys: [stranger.line] }, { state: "stopping" as const }, { owner: "eve", sshKeys: [] }]) {
    await publish();
    const child = spawn("ssh", [...options(key), "-p", port(), `${ADA}@127.0.0.1`, "echo begun; sleep 30"]);
    await once(createInterface({ input: child.stdout }), "line");
    const before = Date.now();
    await publish(change);
    await once(child, "close");
    expect(Date.now() - before).toBeLessThan(2_000);
  }
  await publish();
  await until(async () => (await ssh(["true"])).code === 0, "it opens again");
});

/** A client that takes two megabytes and no more. */
function makesNoRoom(client: ssh2.Client): void {
  const { _protocol: protocol } = client as unknown as { _protocol: { channelWindowAdjust: () => void } };
  protocol.channelWindowAdjust = () => {};
}

test("a client that closes a session while errors wait for it ends nobody else", async () => {
  const client = new ssh2.Client();
  client.connect({
    host: "127.0.0.1",
    port: Number(port()),
    username: ADA,
    privateKey: readFileSync(key.file),
  });
  await once(client, "ready");
  const slowly = "head -c 2200000 /dev/zero >&2; while :; do echo more >&2; done";
  const channel = await new Promise<ssh2.ClientChannel>((resolve, reject) =>
    client.exec(slowly, (error, opened) => (error === undefined ? resolve(opened) : reject(error))),
  );
  // It never makes room again, so that what follows the first two megabytes waits at the gateway.
  makesNoRoom(client);
  channel.stderr.resume();
  await sleep(400);
  // An error that nobody catches ends a gateway; here it fails the run.
  channel.close();
  await sleep(300);
  expect((await ssh(["echo in"])).out).toBe("in\n");
  client.end();
});

test("nobody opens sessions or sets variables without end: what that takes is everybody's memory", async () => {
  const client = new ssh2.Client();
  client.connect({ host: "127.0.0.1", port: Number(port()), username: ADA, privateKey: readFileSync(key.file) });
  await once(client, "ready");
  const { _chanMgr: channels, _protocol: protocol } = client as unknown as {
    _chanMgr: { add: (answered: (error?: Error) => void) => number };
    _protocol: { session: (channel: number, window: number, packet: number) => void };
  };
  const open = (): Promise<boolean> =>
    new Promise((resolve) =>
      protocol.session(
        channels.add((error) => resolve(error === undefined)),
        1_024,
        1_024,
      ),
    );
  const opened = await Promise.all(Array.from({ length: 200 }, open));
  expect(opened.filter(Boolean)).toHaveLength(100);
  client.end();
  const env = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`MUCH_${index}`, "x".repeat(2_000)]));
  const said = await new Promise<string>((resolve, reject) => {
    const other = new ssh2.Client();
    other.once("ready", () =>
      other.exec("env | grep -c ^MUCH_", { env }, (error, channel) => {
        if (error !== undefined) return reject(error);
        void text(channel).then((out) => {
          other.end();
          resolve(out);
        });
      }),
    );
    other.connect({ host: "127.0.0.1", port: Number(port()), username: ADA, privateKey: readFileSync(key.file) });
  });
  expect(Number(said)).toBe(16);
});

test("a session that has ended makes room for another one", async () => {
  const client = new ssh2.Client();
  client.connect({ host: "127.0.0.1", port: Number(port()), username: "whoever", privateKey: readFileSync(key.file) });
  await once(client, "ready");
  const run = (): Promise<string> =>
    new Promise((resolve, reject) =>
      client.exec("true", (error, channel) => {
        if (error === undefined) text(channel.resume().stderr).then(resolve, reject);
        else reject(error);
      }),
    );
  const said: string[] = [];
  for (let batch = 0; batch < 3; batch++) said.push(...(await Promise.all(Array.from({ length: 50 }, run))));
  client.end();
  expect(said.filter((each) => each.startsWith("There is no Gitspace"))).toHaveLength(150);
});

test("bytes of SSH are counted as such", async () => {
  await ssh(["head -c 100000 /dev/zero"]);
  await until(() => street.gateway.house.live.size === 0, "the connection is over");
  const counted = street.gateway.house.live.takeActivity().filter(({ source }) => source === "ssh");
  expect(counted).toEqual([expect.objectContaining({ gitspaceId: ADA, port: 8022, generation: 1 })]);
  expect(counted[0]?.bytes).toBeGreaterThan(100_000);
});

test("an sshd with another host key than the agent named gets nothing", async () => {
  sshd.lies = true;
  const said = await ssh(["echo in"]);
  sshd.lies = false;
  expect(said).toMatchObject({ code: 255, out: "", err: expect.stringContaining("does not let the gateway in") });
});

test("a Gitspace that does not start says why on the terminal", async () => {
  await publish({ state: "error" });
  await until(() => street.gateway.house.access.find(ADA)?.state === "error", "the document came");
  street.controlPlane.onWake = () => ({
    outcome: "denied",
    gitspaceId: ADA,
    failure: { code: "denied", message: "No room.", retry: "never" },
  });
  const said = await ssh(["true"]);
  expect(said.code).toBe(255);
  expect(said.err).not.toBe("");
  await publish();
  await until(() => street.gateway.house.access.find(ADA)?.state === "running", "the document came");
});

test("host keys are private files, published, and the same after a restart", async () => {
  const scan = async () =>
    (await tell("ssh-keyscan", ["-p", port(), "127.0.0.1"])).out
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => line.split(" ").slice(1).join(" "))
      .toSorted();
  const first = await scan();
  expect(first.map((line) => line.split(" ")[0])).toEqual(["ssh-ed25519"]);
  const { body } = await street.ask("GET /.gitspaces/ssh-host-keys HTTP/1.1\r\nHost: HOST\r\n\r\n");
  expect(body.trim().split("\n").toSorted()).toEqual(first);
  expect(statSync(join(street.folder, "gateway/ssh/host_ed25519")).mode & 0o777).toBe(0o600);
  await street.restart();
  expect(await scan()).toEqual(first);
});
