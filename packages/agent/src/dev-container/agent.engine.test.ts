// A real agent that raises, keeps and ends a dev container on a real engine, with a real git server and a stand-in for code-server.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openSite, type Site } from "../testing/agent-process.ts";
import {
  type ContainerVm,
  DEFAULT_IMAGE,
  makeDevcontainerRepository,
  startContainerVm,
} from "../testing/container-vm.ts";
import { type GitServer, startGitServer } from "../testing/git-server.ts";

let site: Site;
let git: GitServer;

beforeAll(async () => {
  site = await openSite();
  makeDevcontainerRepository(site.folder, "sample", {
    image: DEFAULT_IMAGE,
    remoteUser: "node",
    postCreateCommand: "echo created >>$HOME/hooks.txt",
    postStartCommand: "echo started >>$HOME/hooks.txt",
    containerEnv: { COLOUR: "green" },
  });
  git = await startGitServer(site.folder);
});
afterAll(async () => {
  await git[Symbol.asyncDispose]();
  await site[Symbol.asyncDispose]();
});

const startData = () => ({
  repository: { url: `${git.origin}/sample.git` },
  ide: "vs_code_web" as const,
  author: { name: "Ada Lovelace", email: "ada@example.com" },
  secrets: null,
});

const tasks = {
  "gitspace.start": startData,
  "gitspace.stop": () => ({}),
  "gitspace.status": () => ({}),
  "gitspace.remove": () => ({ deleteData: true }),
} as const;

async function perform(made: ContainerVm, type: keyof typeof tasks, generation = 1) {
  const gateway = await made.vm.as("gateway");
  return await gateway.perform(await site.controlPlane.task(type, tasks[type](), { generation }));
}

async function ideState(made: ContainerVm): Promise<unknown> {
  return ((await (await made.vm.as("runner")).call("GET", "/status")).body as { ide: string }).ide;
}

test("a repository opens in its dev container, and a stop leaves nothing running and says what is not pushed", async () => {
  await using made = await startContainerVm(site);
  await made.vm.claim();
  const started = await perform(made, "gitspace.start");
  expect(started.answer).toMatchObject({
    outcome: "ok",
    result: { folder: "/workspaces/sample", user: "node", notApplied: [] },
  });
  const { home, clone, devcontainer, ide } = started.answer.timings;
  expect([home, clone, devcontainer, ide].every((each) => each !== undefined)).toBe(true);
  expect(await made.inside("cat ~/hooks.txt; echo $COLOUR; touch /workspaces/sample/mine && id -un")).toBe(
    "created\nstarted\ngreen\nnode\n",
  );
  expect(await ideState(made)).toBe("ready");
  const status = await perform(made, "gitspace.status");
  expect(status.answer).toMatchObject({ result: { state: "running", ide: "ready", hasGitChanges: true } });
  const stopped = await perform(made, "gitspace.stop", 2);
  expect(stopped.answer).toMatchObject({ outcome: "ok", result: { hasGitChanges: true } });
  expect(await made.containers()).toEqual([]);
  expect(existsSync(join(made.vm.home, "workspaces/sample/mine"))).toBe(true);
}, 60_000);

test("an agent that is killed while the Gitspace runs takes up what it finds: same container, IDE ready, no hook again", async () => {
  await using made = await startContainerVm(site);
  await made.vm.claim();
  await perform(made, "gitspace.start");
  const before = await made.containers();
  await made.vm.end("SIGKILL");
  await made.vm.start();
  await expect.poll(async () => await ideState(made), { timeout: 20_000 }).toBe("ready");
  expect(await made.containers()).toEqual(before);
  expect(await made.inside("cat ~/hooks.txt")).toBe("created\nstarted\n");
}, 60_000);

test("a container that is killed comes back, with its IDE; only what belongs to its start runs again", async () => {
  await using made = await startContainerVm(site);
  await made.vm.claim();
  await perform(made, "gitspace.start");
  const [id = ""] = await made.containers();
  await made.engine.ask(["kill", id], AbortSignal.timeout(10_000));
  await expect.poll(async () => await made.containers(), { timeout: 20_000 }).toEqual([id]);
  await expect.poll(async () => await ideState(made), { timeout: 20_000 }).toBe("ready");
  await expect
    .poll(async () => await made.inside("cat ~/hooks.txt"), { timeout: 10_000 })
    .toBe("created\nstarted\nstarted\n");
}, 60_000);

test("a start on the same home disk keeps the workspace and the home folder", async () => {
  await using made = await startContainerVm(site);
  await made.vm.claim();
  await perform(made, "gitspace.start");
  await made.inside("echo kept >~/note; echo kept >/workspaces/sample/note");
  await perform(made, "gitspace.stop", 2);
  // As in a VM that never saw this Gitspace: its engine has no container of it.
  const old = await made.containers("--all");
  await made.engine.ask(["rm", ...old], AbortSignal.timeout(10_000));
  const again = await perform(made, "gitspace.start", 3);
  expect(again.answer.outcome).toBe("ok");
  expect(await made.inside("cat ~/note /workspaces/sample/note")).toBe("kept\nkept\n");
  expect(await made.containers()).not.toEqual(old);
  const note = join(made.vm.home, "workspaces/sample/note");
  expect({ text: readFileSync(note, "utf8"), uid: statSync(note).uid }).toEqual({ text: "kept\n", uid: 1_000 });
}, 60_000);

test("a removal with its data leaves nothing running and of the disk only what says which it is", async () => {
  await using made = await startContainerVm(site);
  await made.vm.claim();
  await perform(made, "gitspace.start");
  const removed = await perform(made, "gitspace.remove", 2);
  expect(removed.answer.outcome).toBe("ok");
  expect(await made.containers()).toEqual([]);
  expect(readdirSync(made.vm.home)).toEqual([".gitspaces"]);
  expect(readdirSync(join(made.vm.home, ".gitspaces")).toSorted()).toEqual(["disk", "generation"]);
}, 60_000);

test("a start that the agent's death cut short is done once by the next agent", async () => {
  await using made = await startContainerVm(site, { GITSPACES_FAILPOINT: "agent.afterUp:kill" });
  await made.vm.claim();
  const gateway = await made.vm.as("gateway");
  const task = await site.controlPlane.task("gitspace.start", startData());
  await gateway.perform(task).catch(() => {});
  await expect.poll(() => made.vm.ended, { timeout: 20_000 }).toBe(true);
  made.vm.forget("GITSPACES_FAILPOINT");
  await made.vm.start();
  const { answer } = await (await made.vm.as("gateway")).perform(task);
  expect(answer.outcome).toBe("ok");
  expect(await made.containers("--all")).toHaveLength(1);
  expect(await made.inside("cat ~/hooks.txt")).toBe("created\nstarted\n");
}, 60_000);
