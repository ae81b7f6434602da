// A warm VM that holds a repository: a real agent prepares it on a real engine, from a real git server that wants a password.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runFolderOf } from "../run-folder.ts";
import { openSite, type Site } from "../testing/agent-process.ts";
import { DEFAULT_IMAGE } from "../testing/container-vm.ts";
import { openTestEngine } from "../testing/engine.ts";
import { GIT_PASSWORD, GIT_USER, type GitServer, makeRepository, startGitServer } from "../testing/git-server.ts";
import { PreparedVm } from "../testing/prepared-vm.ts";
import { WORKSPACE_LABEL } from "./existing-containers.ts";

const CREDENTIAL = { username: GIT_USER, password: GIT_PASSWORD };
const HOOKED = {
  image: DEFAULT_IMAGE,
  remoteUser: "node",
  containerEnv: { COLOUR: "green" },
  onCreateCommand:
    "echo created >>$HOME/hooks.txt && sudo -n true 2>/dev/null || echo '#!/bin/sh' >.git/hooks/pre-push",
  updateContentCommand:
    "echo updated >>$HOME/hooks.txt && mkdir -p made && git rev-parse HEAD >>made/at || echo none >>made/at",
  postCreateCommand: "echo created-after >>$HOME/hooks.txt",
};
let site: Site;
const servers: GitServer[] = [];

beforeAll(async () => {
  site = await openSite();
});
afterAll(async () => {
  for (const server of servers) await server[Symbol.asyncDispose]();
  await site[Symbol.asyncDispose]();
});

type Host = { root: string; git: GitServer; push: (files: Record<string, string | object>) => void };

/** A server with one repository, `sample`, of these files. */
async function openHost(files: Record<string, string | object>): Promise<Host> {
  const root = mkdtempSync(join(site.folder, "host-"));
  const from = join(root, "from");
  const work = join(root, "work/sample");
  write(from, { ".gitignore": "made/\n", "README.md": "# Sample\n", ...files });
  makeRepository(root, "sample", from);
  const git = await startGitServer(root);
  servers.push(git);
  return {
    root,
    git,
    push(changed) {
      write(work, changed);
      const run = (...args: string[]) =>
        execFileSync("git", ["-c", "user.name=T", "-c", "user.email=t@example.com", ...args], {
          cwd: work,
          stdio: "pipe",
        });
      run("add", ".");
      run("commit", "--quiet", "--message=later");
      run("push", "--quiet", join(root, "served/sample.git"), "main");
    },
  };
}

function write(folder: string, files: Record<string, string | object>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), typeof content === "string" ? content : JSON.stringify(content));
  }
}

async function warm(git: GitServer, env: Record<string, string> = {}): Promise<PreparedVm> {
  const repository = { url: `${git.origin}/private/sample.git`, credential: CREDENTIAL };
  return new PreparedVm(site, await openTestEngine(), { repository, env });
}

async function untilReady(made: PreparedVm): Promise<void> {
  await made.vm.start();
  await expect.poll(async () => await made.state(), { timeout: 40_000 }).toBe("ready");
}

/** The files under these folders that hold a text. */
function filesWith(text: string, folders: string[]): string[] {
  return folders.filter(existsSync).flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .map((name) => join(folder, name))
      .filter((file) => statSync(file, { throwIfNoEntry: false })?.isFile() === true)
      .filter((file) => readFileSync(file).includes(text)),
  );
}

const notes = (events: { kind: string; message: string }[]) =>
  events.filter(({ kind }) => kind === "note").map(({ message }) => message);

test("a prepared repository opens where its preparation ended, with what was pushed since, and no trace of the pool", async () => {
  const { git, push } = await openHost({ ".devcontainer/devcontainer.json": HOOKED });
  await using made = await warm(git);
  await untilReady(made);
  const secrets = [GIT_PASSWORD, encodeURIComponent(GIT_PASSWORD)];
  const { folder: site, home, state } = made.vm;
  for (const secret of secrets)
    expect(filesWith(secret, [site, home, state, made.folder, runFolderOf(state)])).toEqual([]);
  expect(JSON.parse(made.metadata)).toMatchObject({
    preload: { repository: { url: `${git.origin}/private/sample.git` } },
  });
  expect(existsSync(join(home, "workspaces"))).toBe(false);
  const workspace = `label=${WORKSPACE_LABEL}=${made.folder}/workspaces/sample`;
  expect(await made.engine.ask(["ps", "--all", "--quiet", "--filter", workspace], AbortSignal.timeout(9_000))).toBe("");

  push({ "README.md": "# Later\n" });
  const { answer, events } = await made.open(git);
  expect(answer).toMatchObject({
    outcome: "ok",
    result: { folder: "/workspaces/sample", user: "node", notApplied: [] },
  });
  expect(notes(events)).toEqual(
    expect.arrayContaining(["Copied the prepared clone; 1 commits fetched.", "The prepared dev container is used."]),
  );
  const [id = ""] = await made.containers();
  const [image] = await made.images("--no-trunc", "--format", "{{.Repository}}:{{.Tag}}", "--filter", workspace);
  expect(image).toMatch(/^gitspaces\/prepared:[0-9a-f]{32}$/);
  expect(
    (await made.engine.ask(["inspect", "--format", "{{.Config.Image}}", id], AbortSignal.timeout(9_000))).trim(),
  ).toBe(image);
  expect(await made.inside("cat ~/hooks.txt; echo $COLOUR; id -un")).toBe(
    "created\nupdated\nupdated\ncreated-after\ngreen\nnode\n",
  );

  const clone = join(home, "workspaces/sample");
  expect(readFileSync(join(clone, "README.md"), "utf8")).toBe("# Later\n");
  expect(readFileSync(join(clone, "made/at"), "utf8").split("\n")).toHaveLength(3);
  expect(existsSync(join(clone, ".git/hooks/pre-push"))).toBe(false);
  const inClone = (...args: string[]) =>
    execFileSync("git", ["-c", "safe.directory=*", ...args], { cwd: clone, encoding: "utf8" }).trim();
  expect(inClone("status", "--short", "--branch")).toBe("## main...origin/main");
  expect(inClone("config", "--get", "remote.origin.url")).toBe(`${git.origin}/private/sample.git`);
  for (const secret of secrets) expect(filesWith(secret, [home])).toEqual([]);
  await expect.poll(() => existsSync(made.folder)).toBe(false);
}, 90_000);

test("nothing new was pushed: no hook that has run runs again", async () => {
  const { git } = await openHost({ ".devcontainer/devcontainer.json": HOOKED });
  await using made = await warm(git);
  await untilReady(made);
  const { events } = await made.open(git);
  expect(notes(events)).toContain("Copied the prepared clone; 0 commits fetched.");
  expect(await made.inside("cat ~/hooks.txt")).toBe("created\nupdated\ncreated-after\n");
}, 60_000);

test("another configuration was pushed: the clone is used, its dev container is not, and a note names the file", async () => {
  const { git, push } = await openHost({ ".devcontainer/devcontainer.json": HOOKED });
  await using made = await warm(git);
  await untilReady(made);
  push({ ".devcontainer/devcontainer.json": { ...HOOKED, containerEnv: { COLOUR: "red" } } });
  const { events } = await made.open(git);
  expect(notes(events)).toContain("The prepared dev container was not used: devcontainer.json differs.");
  expect(await made.inside("cat ~/hooks.txt; echo $COLOUR")).toBe("created\nupdated\ncreated-after\nred\n");
}, 60_000);

test("whom the host refuses gets nothing of a prepared repository", async () => {
  const { git } = await openHost({ ".devcontainer/devcontainer.json": HOOKED });
  await using made = await warm(git);
  await untilReady(made);
  expect(filesWith("# Sample", [made.folder])).not.toEqual([]);
  const { answer } = await made.open(git, "/private/sample.git", "guessed");
  expect(answer).toMatchObject({ outcome: "failed", failure: { code: "repository_unreachable", retry: "never" } });
  expect(readdirSync(join(made.vm.home, "workspaces"))).toEqual([]);
  expect(filesWith("# Sample", [made.vm.home])).toEqual([]);
}, 60_000);

test("another repository's Gitspace finds nothing of it in the VM", async () => {
  const { git } = await openHost({ ".devcontainer/devcontainer.json": HOOKED });
  await using made = await warm(git);
  await untilReady(made);
  const workspace = `label=${WORKSPACE_LABEL}=${made.folder}/workspaces/sample`;
  expect(await made.images("--quiet", "--filter", workspace)).toHaveLength(1);
  const { answer, events } = await made.open(git, "/sample.git");
  expect(answer.outcome).toBe("ok");
  expect(notes(events).join()).not.toContain("prepared");
  expect(await made.images("--quiet", "--filter", workspace)).toEqual([]);
  expect(existsSync(made.folder)).toBe(false);
  expect(await made.inside("cat ~/hooks.txt")).toBe("created\nupdated\ncreated-after\n");
}, 60_000);

test.each([
  "agent.afterPreparedClone",
  "agent.afterUp",
  "agent.afterPreparedHooks",
  "agent.afterPreparedFolder",
  "agent.afterPrepared",
  "agent.afterCredentialWiped",
])(
  "an agent that is killed at %s prepares once more from the beginning, or finds it done",
  async (name) => {
    const { git } = await openHost({ ".devcontainer/devcontainer.json": HOOKED });
    const failpoints = mkdtempSync(join(site.folder, "failpoints-"));
    await using made = await warm(git, { GITSPACES_FAILPOINT_FOLDER: failpoints });
    writeFileSync(join(failpoints, name), "kill\n");
    // It may end before it says that it listens.
    await made.vm.start().catch(() => {});
    await expect.poll(() => made.vm.ended, { timeout: 30_000 }).toBe(true);
    expect(readFileSync(join(failpoints, name), "utf8")).toBe("passed");
    await untilReady(made);
    expect(made.metadata).not.toContain(GIT_PASSWORD);
    const workspace = `label=${WORKSPACE_LABEL}=${made.folder}/workspaces/sample`;
    expect(await made.engine.ask(["ps", "--all", "--quiet", "--filter", workspace], AbortSignal.timeout(9_000))).toBe(
      "",
    );
    const { events } = await made.open(git);
    expect(notes(events)).toContain("The prepared dev container is used.");
    expect(await made.inside("cat ~/hooks.txt")).toBe("created\nupdated\ncreated-after\n");
  },
  60_000,
);

test.each([
  "agent.afterPreparedCopied",
  "agent.afterPreparedTaken",
  "agent.afterPreparedUsed",
  "agent.afterPreparedGone",
])(
  "an agent that is killed at %s ends the same start with the prepared container and each hook run once",
  async (name) => {
    const { git } = await openHost({ ".devcontainer/devcontainer.json": HOOKED });
    const failpoints = mkdtempSync(join(site.folder, "failpoints-"));
    await using made = await warm(git, { GITSPACES_FAILPOINT_FOLDER: failpoints });
    await untilReady(made);
    writeFileSync(join(failpoints, name), "kill\n");
    const first = made.open(git).catch((error: unknown) => error);
    await expect.poll(() => made.vm.ended, { timeout: 30_000 }).toBe(true);
    await first;
    await made.vm.start();
    await expect.poll(async () => await made.state(), { timeout: 30_000 }).toBe("ready");
    await expect.poll(() => existsSync(made.folder), { timeout: 30_000 }).toBe(false);
    await expect.poll(async () => await made.inside("cat ~/hooks.txt")).toBe("created\nupdated\ncreated-after\n");
  },
  60_000,
);

test("a Dockerfile that copies files of the repository is not passed over when there is a new commit; one that does not is", async () => {
  const configuration = { ...HOOKED, image: undefined, build: { dockerfile: "Dockerfile" } };
  const dockerfile = `FROM ${DEFAULT_IMAGE}\nRUN echo once >/made-at-build\nUSER node\n`;
  const { git, push } = await openHost({
    ".devcontainer/devcontainer.json": { ...configuration, features: { "./greet": {} } },
    ".devcontainer/Dockerfile": dockerfile,
    ".devcontainer/greet/devcontainer-feature.json": {
      id: "greet",
      version: "1.0.0",
      name: "greet",
      onCreateCommand: "echo greeted >>$HOME/hooks.txt",
      postCreateCommand: "echo greeted-after >>$HOME/hooks.txt",
    },
    ".devcontainer/greet/install.sh": "echo hello >/greeting\n",
  });
  await using made = await warm(git);
  await untilReady(made);
  push({ "README.md": "# Later\n" });
  const { events } = await made.open(git);
  expect(notes(events)).toContain("The prepared dev container is used.");
  expect(await made.inside("cat ~/hooks.txt /greeting /made-at-build; id -un")).toBe(
    "greeted\ncreated\nupdated\nupdated\ngreeted-after\ncreated-after\nhello\nonce\nnode\n",
  );
  expect(events.filter(({ kind }) => kind === "agent_image_start")).toEqual([]);

  const copying = await openHost({
    ".devcontainer/devcontainer.json": configuration,
    ".devcontainer/Dockerfile": `${dockerfile}COPY Dockerfile /copied\n`,
  });
  await using other = await warm(copying.git);
  await untilReady(other);
  copying.push({ "README.md": "# Later\n" });
  expect(notes((await other.open(copying.git)).events)).toContain(
    "The prepared dev container was not used: the files that the Dockerfile copies may differ.",
  );
}, 90_000);

test("of Compose and of volumes only what an image can hold is prepared, and a note says so", async () => {
  const volume = `gs-prepared-${crypto.randomUUID().slice(0, 8)}`;
  const shapes: [object, RegExp][] = [
    [{ ...HOOKED, mounts: [`type=volume,source=${volume},target=/data`] }, /not used: it has volumes/],
    [{ dockerComposeFile: "c.yml", service: "app", remoteUser: "node" }, /not used: of a Compose/],
  ];
  for (const [configuration, told] of shapes) {
    const { git } = await openHost({
      ".devcontainer/devcontainer.json": configuration,
      ".devcontainer/c.yml": `services: { app: { image: "${DEFAULT_IMAGE}", command: sleep infinity, volumes: ["..:/workspaces/sample"] } }`,
    });
    await using made = await warm(git);
    await untilReady(made);
    const named = await made.engine.ask(
      ["volume", "ls", "--quiet", "--filter", `name=${volume}`],
      AbortSignal.timeout(9_000),
    );
    expect(named).toBe("");
    const { answer, events } = await made.open(git);
    expect(answer.outcome).toBe("ok");
    expect(notes(events).find((each) => told.test(each))).toBeDefined();
    expect(notes(events)).toContain("Copied the prepared clone; 0 commits fetched.");
    await made.vm[Symbol.asyncDispose]();
    for (const id of await made.containers("--all"))
      await made.engine.docker(["rm", "--force", id], { signal: AbortSignal.timeout(20_000) });
    await made.engine.docker(["volume", "rm", "--force", volume], { signal: AbortSignal.timeout(20_000) });
  }
}, 90_000);

test("a repository with submodules: its clone is used, theirs come from the host, its dev container is made as usual", async () => {
  const { root, git, push } = await openHost({ ".devcontainer/devcontainer.json": HOOKED });
  makeRepository(root, "library", join(root, "from"));
  const work = join(root, "work/sample");
  const run = (...args: string[]) =>
    execFileSync("git", ["-c", "protocol.file.allow=always", ...args], { cwd: work, stdio: "pipe" });
  run("submodule", "--quiet", "add", "--name", "lib", join(root, "served/library.git"), "lib");
  run("config", "--file", ".gitmodules", "submodule.lib.url", "../library.git");
  push({ "README.md": "# With a library\n" });
  await using made = await warm(git);
  await untilReady(made);
  const { answer, events } = await made.open(git);
  expect(answer.outcome).toBe("ok");
  expect(notes(events)).toEqual(
    expect.arrayContaining([
      "Copied the prepared clone; 0 commits fetched.",
      "The prepared dev container was not used: the repository has submodules.",
    ]),
  );
  expect(readFileSync(join(made.vm.home, "workspaces/sample/lib/README.md"), "utf8")).toBe("# Sample\n");
  expect(await made.inside("cat ~/hooks.txt")).toBe("created\nupdated\ncreated-after\n");
}, 60_000);
