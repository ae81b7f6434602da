// Clones of real repositories from a real server: submodules, spared history, hosts that are refused, whose rights git has.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Failure, toFailure } from "@gitspaces/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Cloning, ensureClone } from "./clone.ts";
import { readSubmodules, resolveUrl } from "./submodules.ts";
import { SAMPLE } from "./testing/agent-process.ts";
import { GIT_PASSWORD, GIT_USER, type GitServer, makeRepository, startGitServer } from "./testing/git-server.ts";
import { Work } from "./work.ts";

let site: string;
let server: GitServer;
const env = { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent" };

beforeAll(async () => {
  site = mkdtempSync(join(tmpdir(), "clone-test-"));
  chmodSync(site, 0o755);
  for (const name of ["sample", "library", "deep"]) makeRepository(site, name, SAMPLE);
  server = await startGitServer(site);
  grow("sample", (work) => {
    for (const number of [2, 3, 4]) commit(work, `number ${number}`);
  });
  grow("library", (work) => {
    at(work, "submodule", "--quiet", "add", "--name", "inner", join(site, "served/deep.git"), "inner");
    at(work, "config", "--file", ".gitmodules", "submodule.inner.url", "../deep.git");
    commit(work, "a submodule");
  });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(site, { recursive: true, force: true });
});

const at = (cwd: string, ...args: string[]) =>
  execFileSync(
    "git",
    ["-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "protocol.file.allow=always", ...args],
    {
      cwd,
      stdio: "pipe",
      encoding: "utf8",
    },
  );
const commit = (work: string, message: string) =>
  at(work, "commit", "--quiet", "--all", "--allow-empty", `--message=${message}`);

/** Works in a repository of the server. */
function grow(name: string, change: (work: string) => void): void {
  const work = join(site, "work", name);
  change(work);
  at(work, "push", "--quiet", join(site, `served/${name}.git`), "main");
}

/** A repository that has the library as a submodule under these URLs, by path. */
function makeOuter(name: string, urls: Record<string, string>): void {
  makeRepository(site, name, SAMPLE);
  grow(name, (work) => {
    for (const [path, url] of Object.entries(urls)) {
      at(work, "submodule", "--quiet", "add", "--name", path, join(site, "served/library.git"), path);
      at(work, "config", "--file", ".gitmodules", `submodule.${path}.url`, url);
    }
    commit(work, "submodules");
  });
}

type Told = { notes: string[]; folder?: string; failure?: Failure };

async function cloned(
  repository: Cloning["repository"],
  more: Partial<Cloning> = {},
): Promise<Told & { home: string }> {
  const home = more.home ?? mkdtempSync(join(site, "home-"));
  chmodSync(home, 0o755);
  const events: { kind: string; message: string }[] = [];
  const author = { name: "Ada", email: "ada@example.com" };
  const data = { repository, ide: "vs_code_web" as const, author, secrets: null };
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
    append: (_: string, told: readonly { kind: string; message: string }[]) => void events.push(...told),
  };
  const work = new Work({ task, receivedAt: 0 }, book, Date);
  const runFolder = join(home, ".run");
  const ended = await ensureClone(work, {
    repository,
    author,
    secrets: { git: [] },
    home,
    runFolder,
    env,
    ...more,
  }).then(
    ({ folder }) => ({ folder }),
    (error: unknown) => ({ failure: toFailure(error) }),
  );
  events.push(...work.finish());
  return { home, notes: events.filter(({ kind }) => kind === "note").map(({ message }) => message), ...ended };
}

test("submodules come with a clone, theirs too, by relative and by absolute URLs", async () => {
  makeOuter("outer", { one: "../library.git", "two words": `${server.origin}/library.git` });
  const { folder = "", notes } = await cloned({ url: `${server.origin}/outer.git` });
  expect(notes).toEqual([]);
  for (const path of ["one", "two words"]) {
    expect(existsSync(join(folder, path, "README.md"))).toBe(true);
    expect(existsSync(join(folder, path, "inner/README.md"))).toBe(true);
  }
  expect(at(folder, "status", "--porcelain")).toBe("");
});

test("credentials go to submodules on the repository's own host, and a failing submodule is a note", async () => {
  makeOuter("mixed", {
    own: "../library.git",
    gone: "../gone.git",
    file: `file://${site}/served/library.git`,
    metadata: "http://169.254.169.254/latest/x.git",
    command: "ext::sh -c touch% /tmp/x",
  });
  const secrets = { git: [{ host: server.host, username: GIT_USER, password: GIT_PASSWORD }] };
  const { folder = "", notes } = await cloned({ url: `${server.origin}/private/mixed.git` }, { secrets });
  expect(existsSync(join(folder, "own/README.md"))).toBe(true);
  expect(notes).toHaveLength(4);
  expect(notes.join("\n")).toMatch(/gone is not fetched: There is no such git repository/);
  expect(notes.join("\n")).toMatch(/file is not fetched: only https and http/);
  expect(notes.join("\n")).toMatch(/metadata is not fetched: Nothing is cloned from 169.254.169.254/);
  expect(notes.join("\n")).toMatch(/command is not fetched: only https and http/);
});

test("credentials of the repository are not sent to a submodule's other host", async () => {
  await using stranger = await startGitServer(site);
  makeOuter("lured", { lure: `${stranger.origin}/private/library.git` });
  const secrets = { git: [{ host: server.host, username: GIT_USER, password: GIT_PASSWORD }] };
  const { notes } = await cloned({ url: `${server.origin}/private/lured.git` }, { secrets });
  expect(notes).toEqual([expect.stringMatching(/lure is not fetched: .*wants other credentials/)]);
  expect(stranger.requests).not.toEqual([]);
  expect(stranger.authorized).toBe(0);
});

test("a shallow clone has so many commits, and other branches can still be had", async () => {
  const { folder = "" } = await cloned({ url: `${server.origin}/sample.git`, depth: 2 });
  expect(at(folder, "log", "--format=%s").trim().split("\n")).toEqual(["number 4", "number 3"]);
  expect(at(folder, "branch", "--remotes")).toContain("origin/feature/one");
  expect(at(folder, "rev-parse", "--is-shallow-repository").trim()).toBe("true");
});

test("a partial clone leaves contents that nobody looks at where they are", async () => {
  grow("sample", (work) => {
    writeFileSync(join(work, "big.txt"), "old contents\n");
    at(work, "add", ".");
    commit(work, "big");
    writeFileSync(join(work, "big.txt"), "new contents\n");
    commit(work, "big again");
  });
  const { folder = "", notes } = await cloned({ url: `${server.origin}/sample.git`, filter: "blob:none" });
  expect(notes).toEqual([]);
  expect(readFileSync(join(folder, "big.txt"), "utf8")).toBe("new contents\n");
  expect(
    at(folder, "rev-list", "--objects", "--all", "--missing=print")
      .split("\n")
      .filter((line) => line.startsWith("?")),
  ).not.toEqual([]);
  expect(at(folder, "config", "remote.origin.promisor").trim()).toBe("true");
});

test("pointers of large files are told of where git-lfs is not installed", async () => {
  makeRepository(site, "large", SAMPLE);
  grow("large", (work) => {
    writeFileSync(join(work, ".gitattributes"), "*.bin filter=lfs diff=lfs merge=lfs -text\n");
    writeFileSync(join(work, "a.bin"), "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n");
    at(work, "add", ".");
    commit(work, "large");
  });
  const { folder = "", notes } = await cloned(
    { url: `${server.origin}/large.git` },
    { env: { ...env, PATH: onlyGit() } },
  );
  expect(notes).toEqual([expect.stringMatching(/git-lfs is not installed here: a\.bin .* Run: git lfs pull/)]);
  expect(existsSync(join(folder, "a.bin"))).toBe(true);
});

test("where git-lfs is installed it is asked to fetch", async () => {
  const tools = onlyGit();
  writeFileSync(
    join(tools, "git-lfs"),
    '#!/bin/sh\n[ "$1" = pull ] && echo "fetched by $(git config filter.lfs.clean)" >lfs.txt\nexit 0\n',
    { mode: 0o755 },
  );
  const { folder = "", notes } = await cloned({ url: `${server.origin}/large.git` }, { env: { ...env, PATH: tools } });
  expect(notes).toEqual([]);
  expect(readFileSync(join(folder, "lfs.txt"), "utf8")).toBe("fetched by git-lfs clean -- %f\n");
  expect(readFileSync(join(folder, ".git/config"), "utf8")).not.toContain("lfs");
});

/** A PATH with git and the shell's programs, and no git-lfs. */
function onlyGit(): string {
  const folder = mkdtempSync(join(site, "tools-"));
  for (const name of ["git", "sh", "sed", "basename", "dirname", "uname", "cat"]) {
    const found = (process.env["PATH"] ?? "")
      .split(":")
      .map((each) => join(each, name))
      .find((path) => existsSync(path));
    if (found !== undefined) execFileSync("ln", ["-s", found, join(folder, name)]);
  }
  return folder;
}

test("another account clones into the place that is given, with no rights beside its own, and no file of credentials stays", async () => {
  makeOuter("owned", { one: "../library.git" });
  const home = mkdtempSync(join(site, "home-"));
  const parent = join(home, "workspaces");
  mkdirSync(parent);
  const secrets = { git: [{ host: server.host, username: GIT_USER, password: GIT_PASSWORD }] };
  const as = { uid: 1_000, gid: 1_000 };
  const runFolder = join("/dev/shm", `gs-clone-test-${process.pid}`);
  const told = await cloned({ url: `${server.origin}/private/owned.git` }, { home, parent, as, secrets, runFolder });
  expect(told).toMatchObject({ folder: join(parent, "owned"), notes: [] });
  const owners = readdirSync(join(parent, "owned"), { recursive: true }).map(
    (name) => statSync(join(parent, "owned", String(name))).uid,
  );
  expect(new Set(owners)).toEqual(new Set([1_000]));
  expect(existsSync(join(parent, "owned/one/inner/README.md"))).toBe(true);
  expect(readdirSync(parent)).toEqual(["owned"]);
  expect(existsSync(`${runFolder}-git`)).toBe(false);
});

test("a server that is not there at first is asked again", async () => {
  server.failures = 2;
  const { folder, notes } = await cloned({ url: `${server.origin}/sample.git` });
  expect(folder).toBeDefined();
  expect(notes).toEqual([expect.stringContaining("Trying again"), expect.stringContaining("Trying again")]);
});

test("what is no passing trouble is not asked for again", async () => {
  const before = server.requests.length;
  const { failure, notes } = await cloned({ url: `${server.origin}/nowhere.git` });
  expect(failure).toMatchObject({ code: "repository_unreachable", retry: "never" });
  expect(notes).toEqual([]);
  expect(server.requests.length - before).toBe(1);
});

test("nothing is cloned from this VM's loopback where that is not the person's", async () => {
  const hosts = { loopback: false };
  const { failure } = await cloned({ url: `${server.origin}/sample.git` }, { hosts });
  expect(failure).toMatchObject({ code: "bad_request", field: "repository.url" });
  const port = new URL(server.origin).port;
  const named = await cloned({ url: `http://localhost:${port}/sample.git` }, { hosts });
  expect(named.failure).toMatchObject({ code: "bad_request", field: "repository.url" });
});

test.each([
  ["https://h.example/a/b.git", "../c.git", "https://h.example/a/c.git"],
  ["https://h.example/a/b", "./c", "https://h.example/a/b/c"],
  ["https://h.example/a/b/", "../../c/d", "https://h.example/c/d"],
  ["https://h.example:8443/a/b", "../../../../c", "https://h.example:8443/c"],
  ["https://h.example/a/b", "https://other.example/x", "https://other.example/x"],
  ["https://h.example/a/b", "git@other.example:x", "git@other.example:x"],
])("a submodule of %s at %s is %s", (base, url, resolved) => {
  expect(resolveUrl(base, url)).toBe(resolved);
});

test("what .gitmodules says of a submodule is judged before git sees it", () => {
  const listed = [
    "submodule.a.path\na",
    "submodule.a.url\nhttps://u:secret@h.example/a.git",
    "submodule.b.path\nb",
    "submodule.c d.path\nc d",
    "submodule.c d.url\n../c.git",
  ]
    .map((entry) => `${entry}\0`)
    .join("");
  expect(readSubmodules(listed, "https://h.example/x/y.git")).toEqual([
    { path: "a", why: expect.not.stringContaining("secret") as string },
    { path: "b", why: "it has no URL" },
    { name: "c d", path: "c d", url: "https://h.example/x/c.git" },
  ]);
});
