// What a person gets wrong, and what it says then: cause and cure in words, the exit code, and nothing half made.
import { execFile, execFileSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Failure, Gitspace } from "@gitspaces/contracts";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { apiClient } from "./api.ts";
import { commandLine, type Ran } from "./command-line.ts";
import { commitFiles } from "./git-server.ts";
import { provider } from "./provider.ts";
import { checkout, newDataFolder, somePortBase, up } from "./system.ts";

const system = inject("system");
const git = inject("git");
const api = apiClient(system.ready.ui, system.adminToken);
const data = system.up.data;
const gitHost = new URL(git.url).host;
const home = mkdtempSync(join(tmpdir(), "person-"));
const cli = commandLine(system, home);
afterAll(() => rmSync(home, { recursive: true }));

type Said = { failure: Failure; gitspace?: Gitspace };
const create = (url: string, ...more: string[]) => cli(["create", url, "--wait", "--json", ...more]);
const said = ({ out }: Ran): Said => JSON.parse(out) as Said;
const count = async () => (await api.call<Gitspace[]>("GET", "gitspaces?limit=100")).length;

const leftOf = (id: string) => provider.leftOf(data, id);

async function deleteWhole(id: string): Promise<void> {
  expect(await cli(["delete", id, "--yes", "--wait"])).toMatchObject({ code: 0, out: `${id} is deleted.\n` });
  expect(await leftOf(id)).toEqual([]);
}

test("what is left of a Gitspace can be seen while it is there", async () => {
  const path = commitFiles(git.root, "seen", { "README.md": "# Seen\n" });
  const { identifier } = await api.create(`${git.url}${path}`, { name: "seen" });
  expect(await leftOf(identifier)).toHaveLength(provider.partsWhileRunning);
  await api.stop(identifier);
  expect(await leftOf(identifier)).toEqual([identifier]);
  await deleteWhole(identifier);
});

test("a repository whose host does not answer: the host is named, and that it may answer later", async () => {
  const host = provider.silentHost(new URL(git.url).hostname);
  const ran = await create(`http://${host}/ada/nowhere.git`);
  expect(ran.code).toBe(1);
  const { failure, gitspace } = said(ran);
  expect(failure).toMatchObject({ code: "repository_unreachable" });
  expect(failure.message).toContain(`${host} did not answer`);
  expect(failure.message).toContain("try again later");
  expect(ran.err).toContain(`✗ ${host} did not answer`);
  const seen = await api.until(gitspace?.identifier ?? "", ["error"]);
  expect(seen.instance).toMatchObject({
    error_code: "repository_unreachable",
    error_message: expect.stringContaining(host) as string,
  });
  await deleteWhole(seen.identifier);
});

test("a repository that is not there: host and cure are named; once it is there, the same Gitspace starts", async () => {
  const ran = await create(`${git.url}/late.git`);
  expect(ran.code).toBe(1);
  const { failure, gitspace } = said(ran);
  expect(failure.code).toBe("repository_unreachable");
  expect(failure.message).toContain(`There is no such git repository on ${gitHost}; check the URL.`);
  const id = gitspace?.identifier ?? "";
  commitFiles(git.root, "late", { "README.md": "# Late\n" });
  expect((await cli(["start", id, "--wait"])).code).toBe(0);
  expect((await api.call<Gitspace>("GET", `gitspaces/${id}`)).instance).toMatchObject({ error_code: null });
  await deleteWhole(id);
});

test("a branch that is not there is named; once it is there, the same Gitspace starts", async () => {
  const path = commitFiles(git.root, "branches", { "README.md": "# Branches\n" });
  const ran = await create(`${git.url}${path}`, "--branch", "feature/later");
  expect(ran.code).toBe(1);
  const { failure, gitspace } = said(ran);
  expect(failure.code).toBe("bad_request");
  expect(failure.message).toContain('The repository has no branch "feature/later"; check its name.');
  const id = gitspace?.identifier ?? "";
  execFileSync("git", ["-C", join(git.root, path), "branch", "feature/later", "main"]);
  expect((await cli(["start", id, "--wait"])).code).toBe(0);
  await deleteWhole(id);
});

test.each([
  ["with a user and password", "https://ada:canary@example.test/x.git"],
  ["of a transport that runs programs", "ext::sh -c touch% /tmp/owned"],
  ["of a file", "file:///etc"],
  ["over ssh", "ssh://git@example.test/x.git"],
  ["that looks like an option", "--upload-pack=touch /tmp/owned"],
  ["that is no URL", "example"],
])("a repository URL %s is refused and nothing is made", async (_what, url) => {
  const before = await count();
  const ran = await cli(["create", "--json", "--", url]);
  expect(ran.code).toBe(2);
  expect(said(ran).failure.message).toContain("should be an https or http URL of a git repository");
  expect(ran.out + ran.err).not.toContain("canary");
  const answer = await post("gitspaces", { code_repo_url: url });
  expect(answer).toMatchObject({ status: 400, problem: { code: "bad_request", retry: "never" } });
  expect(JSON.stringify(answer.problem)).toContain("code_repo_url");
  expect(JSON.stringify(answer.problem)).not.toContain("canary");
  expect(await count()).toBe(before);
});

test("a branch that looks like an option is refused by its field, and nothing is made", async () => {
  const before = await count();
  const body = { code_repo_url: `${git.url}/x.git`, branch: "--upload-pack=touch" };
  const { status, problem } = await post("gitspaces", body);
  expect([status, problem["code"]]).toEqual([400, "bad_request"]);
  expect(problem["detail"]).toMatch(/branch.*should be a branch name/);
  expect(await count()).toBe(before);
});

async function post(path: string, body: unknown): Promise<{ status: number; problem: Record<string, unknown> }> {
  const answer = await fetch(new URL(`/api/v1/${path}`, system.ready.ui), {
    method: "POST",
    headers: { authorization: `Bearer ${system.adminToken}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: answer.status, problem: (await answer.json()) as Record<string, unknown> };
}

test("a token that nobody knows exits 4 and says where it came from and how to get another", async () => {
  const file = join(home, "wrong-token");
  writeFileSync(file, "gsp_canary\n");
  const ran = await cli(["list"], file);
  expect(ran.code).toBe(4);
  expect(ran.err).toContain("does not know the token from GITSPACES_TOKEN_FILE. Sign in again with: gitspaces login");
  expect(ran.out + ran.err).not.toContain("canary");
});

test.each([["show"], ["start"], ["stop"], ["delete", "--yes"], ["logs"], ["events"], ["open"]])(
  "%s of a Gitspace that is not there exits 3 and names it",
  async (command, ...more) => {
    const ran = await cli([command, "nobody-aaaaaa", ...more]);
    expect(ran).toMatchObject({ code: 3, out: "", err: expect.stringContaining("nobody-aaaaaa") as string });
  },
);

test("a wait that is over before the start exits 5 and says how to follow it; the start goes on", async () => {
  const path = commitFiles(git.root, "slow", {
    ".devcontainer/devcontainer.json": JSON.stringify({ postCreateCommand: ["sleep", "3"] }),
  });
  const ran = await create(`${git.url}${path}`, "--timeout", "1");
  expect(ran.code).toBe(5);
  const { failure } = said(ran);
  expect(failure.code).toBe("timeout");
  const [, id = ""] =
    /^(\S+) is still starting after 1 s and goes on\. .*gitspaces events \1 --follow$/.exec(failure.message) ?? [];
  await api.until(id, ["running"]);
  await deleteWhole(id);
});

test("a Gitspace is deleted whole while it still starts", async () => {
  const path = commitFiles(git.root, "hasty", {
    ".devcontainer/devcontainer.json": JSON.stringify({ postCreateCommand: ["sleep", "60"] }),
  });
  const ran = await create(`${git.url}${path}`, "--timeout", "1");
  expect(ran.code).toBe(5);
  const [, id = ""] = /^(\S+) is still starting/.exec(said(ran).failure.message) ?? [];
  await deleteWhole(id);
});

/** The processes that still belong to a data folder: they work in it or were told of it. */
function processesOf(folder: string): string[] {
  const read = (read: () => string): string => {
    try {
      return read();
    } catch {
      return "";
    }
  };
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false;
    const told = ["cmdline", "environ"].map((name) => read(() => readFileSync(`/proc/${pid}/${name}`, "utf8")));
    return [...told, read(() => readlinkSync(`/proc/${pid}/cwd`))].some((text) => text.includes(folder));
  });
}

function expectNothingRuns(folder: string): void {
  expect(processesOf(folder)).toEqual([]);
  for (const file of ["lock", "up.json", "processes.json"]) expect(existsSync(join(folder, file))).toBe(false);
}

type Upped = Awaited<ReturnType<typeof up>>;
const failureOf = ({ last }: Upped): Failure => {
  if (!("failure" in last)) throw new Error("bin/up came up, and should not have");
  return last.failure;
};
const folders: string[] = [];
function anotherFolder(): string {
  const folder = newDataFolder();
  folders.push(folder);
  return folder;
}
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

// Begun with the file and looked at near its end: daemons start meanwhile.
let wrongPool: { folder: string; ended: Promise<Upped> };
beforeAll(() => {
  const folder = anotherFolder();
  mkdirSync(folder, { recursive: true });
  const pool = ['version: "1"', "instances:", "  - name: default", `    type: ${provider.kind}`, "    warmm: 1", ""];
  writeFileSync(join(folder, "pool.yml"), pool.join("\n"));
  const args = ["--detach", "--no-sample", "--data", folder, "--port-base", String(somePortBase())];
  wrongPool = { folder, ended: up(args) };
});

test("processes that belong to a data folder are found", () => {
  expect(processesOf(data).length).toBeGreaterThan(4);
});

test("a port in use is named with its holder and the way out, and nothing is left running", async () => {
  const portBase = somePortBase();
  const holder = createServer().listen(portBase + 5, "127.0.0.1");
  await once(holder, "listening");
  const folder = anotherFolder();
  const ended = await up(["--detach", "--no-sample", "--data", folder, "--port-base", String(portBase)]);
  holder.close();
  expect(ended.code).toBe(1);
  const failure = failureOf(ended);
  expect(failure).toMatchObject({ code: "conflict", field: "port-base", details: { pid: process.pid } });
  expect(failure.message).toMatch(
    new RegExp(
      `^Port ${portBase + 5} \\(redis\\) is in use by .+ \\(pid ${process.pid}\\)\\. .*bin/up --port-base \\d+$`,
    ),
  );
  expectNothingRuns(folder);
});

test("a second up on a data folder names the first one's pid and the ways out, and does it no harm", async () => {
  const { pid } = JSON.parse(readFileSync(join(data, "up.json"), "utf8")) as { pid: number };
  const ended = await up(["--detach", "--no-sample", "--data", data, "--port-base", String(somePortBase())]);
  expect(ended.code).toBe(1);
  expect(failureOf(ended)).toMatchObject({ code: "conflict", details: { pid } });
  expect(failureOf(ended).message).toContain(
    `already runs on ${data} (pid ${pid}). Stop it with bin/down --data ${data}`,
  );
  expect((await cli(["list"])).code).toBe(0);
  expect(existsSync(join(data, "up.json"))).toBe(true);
});

test("a wrong key in pool.yml is told with its line and the nearest right key, and nothing is left running", async () => {
  const ended = await wrongPool.ended;
  expect(ended.code).toBe(1);
  expect(failureOf(ended).message).toContain(`${join(wrongPool.folder, "pool.yml")} is wrong:`);
  expect(failureOf(ended).message).toContain('line 5: instances[0].warmm: there is no such key; did you mean "warm"?');
  expectNothingRuns(wrongPool.folder);
});

test.each([
  ["an unknown option", ["--frobnicate"], 2, "unknown option '--frobnicate'"],
  ["an option without its value", ["--data"], 2, "argument missing"],
  ["a port base that is none", ["--port-base", "many"], 1, "--port-base should be a whole number from 1024 to 65521"],
])("up with %s says so", async (_what, args, code, words) => {
  const folder = anotherFolder();
  const ended = await new Promise<Ran>((resolve) => {
    execFile(join(checkout, "bin/up"), ["--data", folder, ...args], (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });
  expect(ended).toMatchObject({ code, out: "", err: expect.stringContaining(words) as string });
  expectNothingRuns(folder);
});
