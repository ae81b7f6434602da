// A start from its task to its answer, on a real agent process with a real git server.
import { randomUUID } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { SealingKey } from "@gitspaces/contracts";
import { sealSecrets } from "@gitspaces/contracts/sealing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { run } from "./command.ts";
import { runFolderOf } from "./run-folder.ts";
import { makeImage, openSite, SAMPLE, type Site, startVm } from "./testing/agent-process.ts";
import { GITSPACE } from "./testing/control-plane.ts";
import { GIT_PASSWORD, GIT_USER, type GitServer, makeRepository, startGitServer } from "./testing/git-server.ts";

let site: Site;
let git: GitServer;

beforeAll(async () => {
  site = await openSite();
  makeRepository(site.folder, "sample", SAMPLE);
  git = await startGitServer(site.folder);
});
afterAll(async () => {
  await git[Symbol.asyncDispose]();
  await site[Symbol.asyncDispose]();
});

const author = { name: "Ada Lovelace", email: "ada@example.com" };
const startData = (path: string) => ({
  repository: { url: `${git.origin}${path}` },
  ide: "vs_code_web" as const,
  author,
  secrets: null,
});

test("a start clones the repository, runs its hooks and answers where the IDE opens it", async () => {
  await using vm = await startVm(site);
  await vm.claim();
  const gateway = await vm.as("gateway");
  const { events, answer } = await gateway.perform(
    await site.controlPlane.task("gitspace.start", startData("/sample.git")),
  );
  const folder = join(vm.home, "sample");
  expect(answer).toMatchObject({ outcome: "ok", generation: 1, result: { folder, ports: [] } });
  expect(readFileSync(join(folder, "README.md"), "utf8")).toBe("# Sample\n");
  expect(readFileSync(join(vm.home, "hooks.txt"), "utf8")).toBe("created\nupdated\nstarted\n");
  expect(readFileSync(join(vm.home, "name.txt"), "utf8")).toBe("sample\n");
  const config = readFileSync(join(folder, ".git/config"), "utf8");
  expect(config).toContain("Ada Lovelace");
  expect(config).not.toContain("credential");
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
  const { home, clone, devcontainer, ide, total } = answer.timings;
  expect((home ?? 0) + (clone ?? 0) + (devcontainer ?? 0) + (ide ?? 0)).toBeCloseTo(total ?? Number.NaN, 3);
  expect(answer.timings["receivedAt"]).toBeGreaterThan(0);
  const kinds = events.map(({ kind }) => kind).filter((kind) => kind !== "log" && kind !== "note");
  expect(kinds).toEqual([
    "agent_gitspace_creation_start",
    "agent_clone_start",
    "agent_clone_completed",
    "fetch_devcontainer_start",
    "fetch_devcontainer_completed",
    "agent_devcontainer_start",
    "agent_devcontainer_failed",
    "agent_ide_start",
    "agent_ide_completed",
    "agent_gitspace_creation_completed",
  ]);
  const told = events.filter(({ kind }) => kind === "note").map(({ message }) => message);
  expect(told).toHaveLength(3);
  expect(answer).toMatchObject({ result: { notApplied: told } });
});

test("a second start leaves the repository as it is and repeats only postStartCommand", async () => {
  await using vm = await startVm(site);
  await vm.claim();
  const gateway = await vm.as("gateway");
  await gateway.perform(await site.controlPlane.task("gitspace.start", startData("/sample.git")));
  const readme = join(vm.home, "sample/README.md");
  writeFileSync(readme, "edited\n");
  const again = await site.controlPlane.task("gitspace.start", startData("/sample.git"), { generation: 2 });
  const { answer } = await gateway.perform(again);
  expect(answer.outcome).toBe("ok");
  expect(readFileSync(readme, "utf8")).toBe("edited\n");
  expect(readFileSync(join(vm.home, "hooks.txt"), "utf8")).toBe("created\nupdated\nstarted\nstarted\n");
});

test("a branch is checked out, and one that is not there is named in the failure", async () => {
  await using vm = await startVm(site);
  await vm.claim();
  const gateway = await vm.as("gateway");
  const on = (branch: string) => ({
    ...startData("/sample.git"),
    repository: { url: `${git.origin}/sample.git`, branch },
  });
  const missing = await gateway.perform(await site.controlPlane.task("gitspace.start", on("nowhere")));
  expect(missing.answer).toMatchObject({ outcome: "failed", failure: { code: "bad_request", field: "branch" } });
  expect(existsSync(join(vm.home, "sample"))).toBe(false);
  const { answer } = await gateway.perform(await site.controlPlane.task("gitspace.start", on("feature/one")));
  expect(answer.outcome).toBe("ok");
  expect(readFileSync(join(vm.home, "sample/.git/HEAD"), "utf8")).toBe("ref: refs/heads/feature/one\n");
});

test("a private repository is cloned with sealed credentials that stay nowhere", async () => {
  await using vm = await startVm(site);
  const { agentKey } = (await vm.claim()) as { agentKey: SealingKey };
  const gateway = await vm.as("gateway");
  const id = randomUUID();
  const open = { git: [{ host: git.host, username: GIT_USER, password: GIT_PASSWORD }] };
  const secrets = await sealSecrets(open, agentKey, { taskId: id, generation: 1 });
  const data = { ...startData("/private/sample.git"), secrets };
  const { answer, events } = await gateway.perform(await site.controlPlane.task("gitspace.start", data, { id }));
  expect(answer.outcome).toBe("ok");
  const told = JSON.stringify([events, answer, vm.log]);
  const kept = readFileSync(join(vm.home, "sample/.git/config"), "utf8");
  for (const secret of [GIT_PASSWORD, encodeURIComponent(GIT_PASSWORD)]) {
    expect(told).not.toContain(secret);
    expect(kept).not.toContain(secret);
    expect(filesWith(secret, [vm.home, vm.state, runFolderOf(vm.state)])).toEqual([]);
  }

  const resealed = { ...data, secrets: await sealSecrets(open, agentKey, { taskId: randomUUID(), generation: 2 }) };
  const stolen = await gateway.perform(await site.controlPlane.task("gitspace.start", resealed, { generation: 2 }));
  expect(stolen.answer).toMatchObject({ outcome: "failed", failure: { code: "denied" } });
});

test("a push needs no password from the person, also after the agent was killed, and no more once the Gitspace is stopped", async () => {
  await using vm = await startVm(site);
  const { agentKey } = (await vm.claim()) as { agentKey: SealingKey };
  const gateway = await vm.as("gateway");
  const id = randomUUID();
  const open = { git: [{ host: git.host, username: GIT_USER, password: GIT_PASSWORD }] };
  const secrets = await sealSecrets(open, agentKey, { taskId: id, generation: 1 });
  const data = { ...startData("/private/sample.git"), secrets };
  expect((await gateway.perform(await site.controlPlane.task("gitspace.start", data, { id }))).answer.outcome).toBe(
    "ok",
  );
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: vm.home,
    GIT_TERMINAL_PROMPT: "0",
    GIT_CONFIG_SYSTEM: join(vm.state, "git/gitconfig"),
  };
  const push = async (branch: string) => {
    const args = ["push", "--quiet", "origin", `HEAD:refs/heads/${branch}`];
    const signal = AbortSignal.timeout(10_000);
    return (await run({ program: "git", args, cwd: join(vm.home, "sample"), env, signal })).code;
  };
  expect(await push("before")).toBe(0);
  expect(readFileSync(join(vm.home, ".gitconfig"), "utf8")).toContain("Ada Lovelace");
  await vm.end("SIGKILL");
  await vm.start();
  expect(await push("after")).toBe(0);
  await (await vm.as("gateway")).perform(await site.controlPlane.task("gitspace.stop", {}, { generation: 2 }));
  expect(await push("stopped")).toBe(128);
  expect(JSON.stringify(vm.log)).not.toContain(GIT_PASSWORD);
  expect(JSON.stringify(vm.log)).toContain("git asked for credentials");
});

test.each([
  ["/private/sample.git", "never", /credentials/],
  ["/missing.git", "never", /no such git repository/],
])("a repository that cannot be had is told in words: %s", async (path, retry, words) => {
  await using vm = await startVm(site);
  await vm.claim();
  const gateway = await vm.as("gateway");
  const { answer } = await gateway.perform(await site.controlPlane.task("gitspace.start", startData(path)));
  expect(answer).toMatchObject({ outcome: "failed", failure: { code: "repository_unreachable", retry } });
  expect(answer.outcome === "failed" && answer.failure.message).toMatch(words);
  expect(readdirSync(join(vm.home, ".gitspaces")).filter((name) => name.startsWith("clone-"))).toEqual([]);
});

test("a start waits for its home disk", async () => {
  await using vm = await startVm(site, { attached: false });
  await vm.claim();
  const gateway = await vm.as("gateway");
  const task = await site.controlPlane.task("gitspace.start", startData("/sample.git"));
  await gateway.call("POST", "/tasks", task);
  const following = gateway.follow(task.id);
  await expect.poll(async () => (await gateway.call("GET", "/status")).body["ide"]).toBe("ready");
  const before = await gateway.connect("localhost:8089");
  expect(before.status).toBe(200);
  before.socket.destroy();
  renameSync(vm.home, `${vm.home}.before`);
  mkdirSync(`${vm.home}.disk/.gitspaces`, { recursive: true });
  writeFileSync(`${vm.home}.disk/.gitspaces/disk`, GITSPACE);
  renameSync(`${vm.home}.disk`, vm.home);
  const { answer } = await following;
  expect(answer.outcome).toBe("ok");
  expect(readFileSync(join(vm.home, ".gitspaces/generation"), "utf8")).toBe("1\n");
  expect(existsSync(join(vm.home, ".local/share/code-server/Machine/settings.json"))).toBe(true);
});

test("a home disk that has seen a later generation refuses an earlier start", async () => {
  await using vm = await startVm(site);
  writeFileSync(join(vm.home, ".gitspaces/generation"), "7\n");
  await vm.claim();
  const gateway = await vm.as("gateway");
  const { answer } = await gateway.perform(await site.controlPlane.task("gitspace.start", startData("/sample.git")));
  expect(answer).toMatchObject({ outcome: "failed", failure: { code: "superseded" } });
  expect(existsSync(join(vm.home, "sample"))).toBe(false);
});

test("an agent killed in the middle of a clone does the start again when it is back", async () => {
  await using vm = await startVm(site);
  await vm.claim();
  const task = await site.controlPlane.task("gitspace.start", startData("/sample.git"));
  git.delayMs = 1_500;
  const before = git.requests.length;
  const gateway = await vm.as("gateway");
  expect((await gateway.call("POST", "/tasks", task)).status).toBe(202);
  await expect.poll(() => git.requests.length).toBeGreaterThan(before);
  await vm.end("SIGKILL");
  git.delayMs = 0;
  await vm.start();
  const { answer, events } = await (await vm.as("gateway")).follow(task.id);
  expect(answer.outcome).toBe("ok");
  expect(readFileSync(join(vm.home, "sample/README.md"), "utf8")).toBe("# Sample\n");
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
  expect(events.filter(({ kind }) => kind === "agent_clone_start")).toHaveLength(2);
  expect(site.enrolment.enrolled.filter((name) => name === vm.instanceId)).toHaveLength(1);
});

test("at its deadline a start is answered timeout, and its git is gone", async () => {
  await using vm = await startVm(site);
  await vm.claim();
  git.delayMs = 3_000;
  const gateway = await vm.as("gateway");
  const task = await site.controlPlane.task("gitspace.start", startData("/sample.git"), { deadlineMs: 700 });
  const { answer, events } = await gateway.perform(task);
  git.delayMs = 0;
  expect(events.at(-1)?.kind).toBe("agent_gitspace_creation_failed");
  expect(answer).toMatchObject({ outcome: "failed", failure: { code: "timeout" } });
  await expect.poll(() => readdirSync(join(vm.home, ".gitspaces")).join()).not.toContain("clone-");
});

test("a stop of a later generation ends a start that is under way, and takes the IDE down", async () => {
  await using vm = await startVm(site);
  await vm.claim();
  const gateway = await vm.as("gateway");
  await gateway.perform(await site.controlPlane.task("gitspace.start", startData("/sample.git")));
  rmSync(join(vm.home, "sample"), { recursive: true });
  git.delayMs = 3_000;
  const start = await site.controlPlane.task("gitspace.start", startData("/sample.git"), { generation: 2 });
  await gateway.call("POST", "/tasks", start);
  const stop = await gateway.perform(await site.controlPlane.task("gitspace.stop", {}, { generation: 3 }));
  git.delayMs = 0;
  expect(stop.answer).toMatchObject({ outcome: "ok", result: { hasGitChanges: false } });
  expect((await gateway.follow(start.id)).answer).toMatchObject({ failure: { code: "superseded" } });
  expect((await gateway.connect("localhost:8089")).status).toBe(502);
});

test("a stop ends what runs and tells of work that is nowhere else; a removal empties the home", async () => {
  await using vm = await startVm(site);
  await vm.claim();
  const gateway = await vm.as("gateway");
  const control = site.controlPlane;
  await gateway.perform(await control.task("gitspace.start", startData("/sample.git")));
  const clean = await gateway.perform(await control.task("gitspace.status", {}));
  expect(clean.answer).toMatchObject({ result: { state: "running", ide: "ready", hasGitChanges: false } });
  writeFileSync(join(vm.home, "sample/new.txt"), "new");
  const stop = await gateway.perform(await control.task("gitspace.stop", {}, { generation: 2 }));
  expect(stop.answer).toMatchObject({ outcome: "ok", result: { hasGitChanges: true } });
  const status = await gateway.perform(await control.task("gitspace.status", {}, { generation: 2 }));
  expect(status.answer).toMatchObject({ result: { state: "stopped", ports: [] } });
  symlinkSync(site.folder, join(vm.home, "link"));
  await gateway.perform(await control.task("gitspace.remove", { deleteData: true }, { generation: 3 }));
  expect(readdirSync(vm.home)).toEqual([".gitspaces"]);
  expect(existsSync(join(site.folder, "ca.pem"))).toBe(true);
});

test("an IDE that cannot start fails the start with its last words", async () => {
  const image = makeImage(site.folder);
  writeFileSync(join(image, "broken"), "");
  await using vm = await startVm(site, { image });
  await vm.claim();
  const gateway = await vm.as("gateway");
  const { answer } = await gateway.perform(await site.controlPlane.task("gitspace.start", startData("/sample.git")));
  expect(answer).toMatchObject({ outcome: "failed", failure: { code: "ide_failed" } });
  expect(answer.outcome === "failed" && answer.failure.message).toContain("the stand-in is broken");
});

test.each([
  ["two: 2 }", ".devcontainer.json:1:1"],
  ['{\n  "postCreateCommand": 7\n}', ".devcontainer.json:2:24"],
])("a devcontainer.json that cannot be read fails the start with line and column: %s", async (text, place) => {
  await using vm = await startVm(site);
  await vm.claim();
  const gateway = await vm.as("gateway");
  const folder = join(vm.home, "sample");
  mkdirSync(folder);
  writeFileSync(join(folder, ".devcontainer.json"), text);
  const { answer } = await gateway.perform(await site.controlPlane.task("gitspace.start", startData("/sample.git")));
  expect(answer).toMatchObject({ outcome: "failed", failure: { code: "devcontainer_invalid" } });
  expect(answer.outcome === "failed" && answer.failure.message).toContain(place);
});

function filesWith(secret: string, folders: string[]): string[] {
  const files = folders.flatMap((folder) => readdirSync(folder, { recursive: true, withFileTypes: true }));
  return files
    .filter((file) => file.isFile())
    .map((file) => join(file.parentPath, file.name))
    .filter((file) => readFileSync(file).includes(secret));
}
