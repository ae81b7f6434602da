// git of the person against a real server, by way of the broker's door: real git, real sockets, real keys.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Secrets, toFailure } from "@gitspaces/contracts";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { Allowance } from "./allowance.ts";
import { run } from "./command.ts";
import { openGitBroker } from "./git-broker.ts";
import { type GitInPlace, openGitInPlace } from "./git-in-place.ts";
import { ensureGitIdentity } from "./git-identity.ts";
import { gitPrograms } from "./git-programs.ts";
import { GIT_PASSWORD, GIT_USER, type GitServer, makeRepository, startGitServer } from "./testing/git-server.ts";
import { SAMPLE } from "./testing/agent-process.ts";
import { Work } from "./work.ts";

let site: string;
let server: GitServer;
let home: string;
let logged: string;
let given: Secrets | undefined;
let git: GitInPlace;
let opened: AsyncDisposableStack;
const signal = () => AbortSignal.timeout(10_000);

beforeAll(async () => {
  site = mkdtempSync(join(tmpdir(), "git-in-place-"));
  makeRepository(site, "sample", SAMPLE);
  server = await startGitServer(site);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(site, { recursive: true, force: true });
});
beforeEach(async () => {
  const folder = mkdtempSync(join(site, "one-"));
  home = join(folder, "home dir");
  for (const name of [home, join(folder, "run"), join(folder, "state")]) mkdirSync(name);
  given = { git: [{ host: server.host, username: GIT_USER, password: GIT_PASSWORD }] };
  logged = "";
  git = await open(folder);
  return async () => await opened.disposeAsync();
});

async function open(folder: string, allowance?: Allowance): Promise<GitInPlace> {
  opened = new AsyncDisposableStack();
  const keep = (...told: unknown[]) => void (logged += JSON.stringify(told));
  const log = { info: keep, warn: keep };
  const broker = openGitBroker({
    given: async () =>
      await Promise.resolve(
        given === undefined ? undefined : { secrets: given, repository: `${server.origin}/private/sample.git` },
      ),
    log,
    ...(allowance === undefined ? {} : { allowance }),
  });
  return opened.use(
    await openGitInPlace({ broker, runFolder: join(folder, "run"), stateFolder: join(folder, "state") }),
  );
}

const env = () => ({ PATH: process.env["PATH"] ?? "", HOME: home, GIT_TERMINAL_PROMPT: "0", LC_ALL: "C", ...git.env });
const gitIn = async (cwd: string, ...args: string[]) =>
  await run({ program: "git", args, cwd, env: env(), signal: signal() });

async function cloned(): Promise<string> {
  const ended = await gitIn(home, "clone", "--quiet", `${server.origin}/private/sample.git`);
  expect(ended).toMatchObject({ code: 0 });
  for (const [key, value] of [
    ["user.name", "Ada"],
    ["user.email", "ada@example.com"],
  ] as const)
    await gitIn(home, "config", "--global", key, value);
  return join(home, "sample");
}

test("clone, fetch and push ask nobody for a password, and the password is in no file and no log", async () => {
  const work = await cloned();
  const name = `pushed-${Date.now()}`;
  await gitIn(work, "commit", "--quiet", "--allow-empty", "--message=pushed");
  expect(await gitIn(work, "push", "--quiet", "origin", `HEAD:refs/heads/${name}`)).toMatchObject({ code: 0 });
  expect(await gitIn(work, "fetch", "--quiet")).toMatchObject({ code: 0 });
  const served = execFileSync("git", ["-C", join(site, "served/sample.git"), "log", "-1", "--format=%s", name]);
  expect(served.toString()).toBe("pushed\n");
  for (const secret of [GIT_PASSWORD, encodeURIComponent(GIT_PASSWORD)]) {
    expect(logged).not.toContain(secret);
    expect(filesWith(secret, join(home, ".."))).toEqual([]);
  }
  expect(logged).toContain(server.host);
});

test("without a secret for the host git fails as it does anywhere, and no helper of ours gets in its way", async () => {
  given = { git: [{ host: "another.example", username: GIT_USER, password: GIT_PASSWORD }] };
  const { code, output } = await gitIn(home, "clone", `${server.origin}/private/sample.git`);
  expect(code).toBe(128);
  expect(output.join("\n")).toContain("terminal prompts disabled");
  expect(output.join("\n")).not.toContain("gitspaces");
});

test("when the agent is away git says so and goes on to ask the person", async () => {
  await opened.disposeAsync();
  const { output } = await gitIn(home, "clone", `${server.origin}/private/sample.git`);
  expect(output.join("\n")).toContain("the agent does not answer");
  expect(output.join("\n")).toContain("terminal prompts disabled");
});

test("what the person configures for themselves comes first, also to have no helper at all", async () => {
  const own = "!f() { echo username=mine; echo password=mine; }; f";
  writeFileSync(join(home, ".gitconfig"), `[credential]\n\thelper =\n\thelper = "${own}"\n`);
  const asked = await run({
    program: "git",
    args: ["credential", "fill"],
    cwd: home,
    env: env(),
    signal: signal(),
    input: `protocol=http\nhost=${server.host}\n\n`,
  });
  expect(asked.output).toContain("password=mine");
  expect(logged).toBe("");
});

test("who the person is to git is set once, and never over what they set", async () => {
  const asPerson = async ([program = "", ...args]: readonly string[]) =>
    await run({ program, args, cwd: "/", env: env(), signal: signal() });
  const author = { name: "Ada Lovelace", email: "ada@example.com" };
  expect(await ensureGitIdentity(asPerson, author)).toBe(true);
  expect((await gitIn(home, "config", "--global", "user.name")).output).toEqual(["Ada Lovelace"]);
  await gitIn("/", "config", "--global", "user.name", "Countess");
  expect(await ensureGitIdentity(asPerson, author)).toBe(false);
  expect((await gitIn(home, "config", "user.name")).output).toEqual(["Countess"]);
  writeFileSync(join(home, "mine"), "[user]\n\tname = Included\n\temail = i@example.com\n");
  writeFileSync(join(home, ".gitconfig"), "[include]\n\tpath = ~/mine\n");
  expect(await ensureGitIdentity(asPerson, author)).toBe(false);
});

test("whoever asks again and again is answered no more for a while", async () => {
  await opened.disposeAsync();
  git = await open(join(home, ".."), new Allowance(2, 60_000));
  const fill = async () => {
    const input = `protocol=http\nhost=${server.host}\n\n`;
    const args = ["credential", "fill"];
    return (await run({ program: "git", args, cwd: home, env: env(), signal: signal(), input })).output.join("\n");
  };
  expect(await fill()).toContain("password=");
  expect(await fill()).toContain("password=");
  expect(await fill()).toContain("git asks too often");
});

test("an image without a Node that runs asks by curl", async () => {
  const folder = join(home, "programs");
  mkdirSync(folder);
  const door = join(home, "../run/git.sock");
  for (const { name, text, mode } of gitPrograms({
    folder,
    door,
    node: undefined,
    include: undefined,
    signingKey: undefined,
  }))
    writeFileSync(join(folder, name), text, { mode });
  const own = { ...env(), GIT_CONFIG_SYSTEM: join(folder, "gitconfig") };
  const args = ["ls-remote", `${server.origin}/private/sample.git`, "main"];
  const ended = await run({ program: "git", args, cwd: home, env: own, signal: signal() });
  expect(ended).toMatchObject({ code: 0, output: [expect.stringContaining("refs/heads/main")] });
});

function sshKey(): { key: string; publicKey: string } {
  const file = join(mkdtempSync(join(site, "key-")), "key");
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "comment", "-f", file]);
  return { key: readFileSync(file, "utf8"), publicKey: readFileSync(`${file}.pub`, "utf8").trim() };
}

/** A start's work, as far as git needs it. */
function startWork(): { work: Work; notes: string[] } {
  const notes: string[] = [];
  const data = {
    repository: { url: `${server.origin}/private/sample.git` },
    ide: "vs_code_web" as const,
    author: { name: "Ada", email: "ada@example.com" },
    secrets: null,
  };
  const head = {
    v: 1 as const,
    id: crypto.randomUUID(),
    gitspaceId: "hello-k3v9x2",
    generation: 1,
    deadline: Date.now() + 60_000,
  };
  const task = { ...head, type: "gitspace.start" as const, data, signature: "" };
  const book = {
    lastSeq: () => 0,
    append: (_: string, events: readonly { message: string }[]) =>
      void notes.push(...events.map(({ message }) => message)),
  };
  return { work: new Work({ task, receivedAt: 0 }, book, Date), notes };
}

test("commits are signed with a key that is never where the person's programs are", async () => {
  const { key, publicKey } = sshKey();
  given = { git: given?.git ?? [], signing: { format: "ssh", key } };
  await git.prepare(startWork().work, given, env());
  const work = await cloned();
  expect(await gitIn(work, "commit", "--quiet", "--allow-empty", "--message=signed")).toMatchObject({ code: 0 });
  writeFileSync(join(home, "signers"), `ada@example.com ${publicKey}\n`);
  await gitIn(work, "config", "gpg.ssh.allowedSignersFile", join(home, "signers"));
  const { code, output } = await gitIn(work, "verify-commit", "HEAD");
  expect(output.join("\n")).toContain('Good "git" signature for ada@example.com');
  expect(code).toBe(0);
  const middle = key.split("\n")[2] ?? "";
  expect(middle.length).toBeGreaterThan(20);
  expect(filesWith(middle, join(home, ".."))).toEqual([]);
  expect(logged).not.toContain(middle);
});

test("a person who signs with a key of their own goes on with that one", async () => {
  given = { git: given?.git ?? [], signing: { format: "ssh", key: sshKey().key } };
  await git.prepare(startWork().work, given, env());
  const work = await cloned();
  const mine = sshKey();
  writeFileSync(join(home, "mine"), mine.key, { mode: 0o600 });
  writeFileSync(join(home, "mine.pub"), `${mine.publicKey}\n`);
  await gitIn(work, "config", "--global", "user.signingkey", join(home, "mine"));
  expect(await gitIn(work, "commit", "--quiet", "--allow-empty", "--message=signed")).toMatchObject({ code: 0 });
  writeFileSync(join(home, "signers"), `ada@example.com ${mine.publicKey}\n`);
  await gitIn(work, "config", "gpg.ssh.allowedSignersFile", join(home, "signers"));
  expect(await gitIn(work, "verify-commit", "HEAD")).toMatchObject({ code: 0 });
});

test("a key that cannot be used is told of, and commits go without it", async () => {
  for (const signing of [
    { format: "ssh" as const, key: "no key at all" },
    { format: "openpgp" as const, key: "-----BEGIN PGP PRIVATE KEY BLOCK-----" },
  ]) {
    const { work, notes } = startWork();
    await git.prepare(work, { git: [], signing }, env());
    const told = [...notes, ...work.finish().map(({ message }) => message)];
    expect(told).toEqual([expect.stringMatching(/key/)]);
    expect(readFileSync(git.env["GIT_CONFIG_SYSTEM"] ?? "", "utf8")).not.toContain("gpgsign");
  }
  await expect(
    openGitBroker({ given: async () => await Promise.resolve(undefined), log: { info() {}, warn() {} } })
      .sign(Buffer.from("x"))
      .catch((error: unknown) => toFailure(error).code),
  ).resolves.toBe("not_found");
});

function filesWith(text: string, folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile())
    .map((file) => join(file.parentPath, file.name))
    .filter((file) => existsSync(file) && readFileSync(file).includes(text));
}
