// The life of a dev container as a workplace, on a real engine. The container is a plain one and the IDE a name for one:
// what raises and what runs inside have tests of their own.
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLog, systemClock } from "@gitspaces/daemon";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestEngine } from "../testing/engine.ts";
import type { IdeState } from "../ide.ts";
import { Work } from "../work.ts";
import type { Container } from "./container.ts";
import type { Engine } from "./engine.ts";
import { Ground } from "./ground.ts";
import { KnownChanges } from "./known-changes.ts";
import { Preload } from "./preload.ts";
import type { StartTask } from "./resumption.ts";
import type { ContainerIde } from "./ide.ts";
import { type DevContainerParts, openDevContainer } from "./workplace.ts";

const IMAGE = "debian:bookworm-slim";
const log = createLog("agent", "silent");
const within = () => AbortSignal.timeout(20_000);
let engine: Engine;
const folders: string[] = [];

beforeAll(async () => {
  engine = await openTestEngine();
});
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

const task: StartTask = {
  v: 1,
  id: randomUUID(),
  gitspaceId: "gs-1",
  generation: 1,
  deadline: 1,
  type: "gitspace.start",
  data: {
    repository: { url: "https://example.com/sample.git" },
    ide: "vs_code_web",
    author: { name: "Ada", email: "ada@example.com" },
    secrets: null,
  },
} as StartTask;

/** A Gitspace's VM with a home disk; `standing` is what its journal says. */
class Scene implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "workplace-"));
  readonly name = `gs-f-${randomUUID().slice(0, 8)}`;
  readonly home = join(this.folder, "home");
  readonly clone = join(this.home, "workspaces/sample");
  readonly told: string[] = [];
  standing: StartTask | undefined;
  claimed = true;
  raising: (signal: AbortSignal) => Promise<void> = async () => {};
  #open: AsyncDisposable[] = [];

  constructor() {
    folders.push(this.folder);
    mkdirSync(join(this.home, ".gitspaces"), { recursive: true });
  }

  open() {
    const workplace = openDevContainer(this.parts());
    this.#open.push(workplace);
    return workplace;
  }

  parts(): DevContainerParts {
    return {
      home: this.home,
      engine,
      ground: new Ground({ engine, home: this.home, volumesPlace: "/var/lib/docker/volumes" }),
      preload: new Preload({ images: [], folder: "/nowhere", engine, keepEngine: true, log }),
      ide: this.ide(),
      ssh: { dial: async () => await Promise.reject(new Error("nobody comes by SSH here")) },
      changes: new KnownChanges(this.folder),
      raise: async (work) => {
        await this.raising(work.signal);
        return await this.container();
      },
      askGit: async (container) => {
        this.told.push(`git asked in ${container === undefined ? "nothing" : "the container"}`);
        return await Promise.resolve(container !== undefined);
      },
      claimed: () => this.claimed,
      folder: () => this.clone,
      standing: () => this.standing,
      wanted: async () => await Promise.resolve(this.wanted),
      homeBack: async () => {},
      log,
    };
  }

  readonly wanted = { clone: { folder: this.clone, fresh: true }, devcontainerPath: undefined, secrets: { git: [] } };

  work(): Work {
    return new Work({ task, receivedAt: 0 }, { lastSeq: () => 0, append: () => {} }, systemClock);
  }

  /** As the reference implementation does it: one that is there is started, else one is made. */
  async container(): Promise<Container> {
    mkdirSync(this.clone, { recursive: true });
    const mounts = ["--volume", `${this.clone}:/workspaces/sample`, "--volume", `${this.name}-home:/root`];
    if ((await engine.docker(["start", this.name], { signal: within() })).code !== 0)
      await engine.ask(["run", "--detach", "--init", "--name", this.name, ...mounts, IMAGE, "sleep", "600"], within());
    const [id = "", pid] = (await engine.ask(["inspect", "-f", "{{.Id}} {{.State.Pid}}", this.name], within())).split(
      " ",
    );
    return {
      id,
      pid: Number(pid),
      user: { name: "root", uid: 0, gid: 0, home: "/root", shell: "/bin/sh" },
      workspaceFolder: "/workspaces/sample",
      env: {},
      libc: { kind: "glibc", version: "2.36" },
      customizations: { extensions: [], settings: {} },
      forwardPorts: [],
      portsAttributes: {},
      recovery: null,
      notApplied: ["one thing"],
    };
  }

  ide(): ContainerIde {
    let state: IdeState = "starting";
    return {
      get state() {
        return state;
      },
      start: ({ id }) => {
        state = "ready";
        this.told.push(`IDE in ${id.slice(0, 12)}`);
      },
      ready: async () => await Promise.resolve(),
      stop: async () => {
        state = "starting";
        this.told.push("IDE stopped");
        await Promise.resolve();
      },
      dial: async () => await Promise.reject(new Error("not dialled here")),
      [Symbol.asyncDispose]: async () => await Promise.resolve(),
    };
  }

  async running(): Promise<boolean> {
    const { output } = await engine.docker(["inspect", "-f", "{{.State.Running}}", this.name], { signal: within() });
    return output[0] === "true";
  }

  async inside(script: string): Promise<string> {
    return await engine.ask(["exec", this.name, "sh", "-c", script], within());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of this.#open) await each[Symbol.asyncDispose]();
    await engine.docker(["rm", "--force", this.name], { signal: within() });
    await engine.docker(["volume", "rm", "--force", `${this.name}-home`], { signal: within() });
  }
}

test("a start gives the inside's folder and user, and a stop leaves nothing running and knows what git said", async () => {
  await using scene = new Scene();
  const workplace = scene.open();
  const work = scene.work();
  await workplace.settle(work);
  const raised = await workplace.raise(work, scene.wanted);
  expect(raised).toEqual({ folder: "/workspaces/sample", user: "root", notApplied: ["one thing"] });
  expect(Object.keys(work.timings)).toEqual(expect.arrayContaining(["devcontainer", "ide", "total"]));
  expect({ state: workplace.state, running: await scene.running() }).toEqual({ state: "ready", running: true });
  await workplace.end();
  expect(await scene.running()).toBe(false);
  expect(await workplace.hasGitChanges(scene.clone)).toBe(true);
  expect(scene.told.slice(1)).toEqual(["IDE stopped", "git asked in the container"]);
  await expect(workplace.dial(3_000)).rejects.toMatchObject({ failure: { code: "vm_unreachable" } });
}, 30_000);

test("what git said before the containers ended is still known by an agent that was killed before it could answer", async () => {
  await using scene = new Scene();
  const first = scene.open();
  await first.settle(scene.work());
  await first.raise(scene.work(), scene.wanted);
  await first.end();
  const second = scene.open();
  await second.end();
  expect(await second.hasGitChanges(scene.clone)).toBe(true);
  expect(scene.told.filter((each) => each.startsWith("git asked"))).toEqual(["git asked in the container"]);
  // A new start may change everything: it is asked anew.
  await second.settle(scene.work());
  expect(await second.hasGitChanges(scene.clone)).toBe(false);
}, 30_000);

test("a container that is killed is brought back, with its IDE", async () => {
  await using scene = new Scene();
  const workplace = scene.open();
  await workplace.settle(scene.work());
  await workplace.raise(scene.work(), scene.wanted);
  scene.standing = task;
  await engine.ask(["kill", scene.name], within());
  await expect.poll(async () => await scene.running(), { timeout: 10_000 }).toBe(true);
  await expect.poll(() => scene.told.filter((each) => each.startsWith("IDE in")).length, { timeout: 5_000 }).toBe(2);
  expect(workplace.state).toBe("ready");
}, 30_000);

test("a container that ends where nothing should run is left alone", async () => {
  await using scene = new Scene();
  const workplace = scene.open();
  await workplace.settle(scene.work());
  await workplace.raise(scene.work(), scene.wanted);
  await engine.ask(["kill", scene.name], within());
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  expect(await scene.running()).toBe(false);
}, 30_000);

test("an agent that comes back takes the container as it runs", async () => {
  await using scene = new Scene();
  const before = scene.open();
  await before.settle(scene.work());
  await before.raise(scene.work(), scene.wanted);
  scene.standing = task;
  const { id } = await scene.container();
  await before[Symbol.asyncDispose]();
  const after = scene.open();
  after.warm();
  await expect.poll(() => scene.told, { timeout: 10_000 }).toEqual(Array(2).fill(`IDE in ${id.slice(0, 12)}`));
  expect((await scene.container()).id).toBe(id);
}, 30_000);

test("a stop wins over a return that is under way", async () => {
  await using scene = new Scene();
  const workplace = scene.open();
  scene.standing = task;
  let called = false;
  scene.raising = async (signal) => {
    called = true;
    await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
  };
  workplace.warm();
  await expect.poll(() => called).toBe(true);
  await workplace.end();
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(await scene.running()).toBe(false);
  expect(scene.told.filter((each) => each.startsWith("IDE in"))).toEqual([]);
}, 30_000);

test("a start on the same home disk finds the workspace and the home folder as they were", async () => {
  await using scene = new Scene();
  const workplace = scene.open();
  await workplace.settle(scene.work());
  await workplace.raise(scene.work(), scene.wanted);
  await scene.inside("echo mine >/root/note && echo work >/workspaces/sample/file");
  await workplace.end();
  await engine.ask(["rm", scene.name], within());
  await workplace.settle(scene.work());
  await workplace.raise(scene.work(), scene.wanted);
  expect(await scene.inside("cat /root/note /workspaces/sample/file")).toBe("mine\nwork\n");
  expect(readFileSync(join(scene.clone, "file"), "utf8")).toBe("work\n");
  expect(existsSync(join(scene.home, "volumes"))).toBe(true);
}, 30_000);

test("before anyone comes a VM is ready once its pool's images are there", async () => {
  await using scene = new Scene();
  scene.claimed = false;
  const workplace = scene.open();
  expect(workplace.state).toBe("starting");
  workplace.warm();
  await expect.poll(() => workplace.state).toBe("ready");
  expect(scene.told).toEqual([]);
});
