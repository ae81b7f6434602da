// A repository in a folder of its own, raised on the real engine by a name that nobody else has; gone with all it made.
import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import type { TaskEvent } from "@gitspaces/contracts";
import { systemClock } from "@gitspaces/daemon";
import { projectOf } from "../dev-container/bringing-up.ts";
import type { Container } from "../dev-container/container.ts";
import type { Engine } from "../dev-container/engine.ts";
import { removeContainers } from "../dev-container/existing-containers.ts";
import { strictPolicy } from "../dev-container/policy.ts";
import { raiseContainer, type Raising } from "../dev-container/raising.ts";
import type { StartTask } from "../dev-container/resumption.ts";
import { Work } from "../work.ts";
import { openTestEngine } from "./engine.ts";

const task = { id: randomUUID(), gitspaceId: "gs-1", type: "gitspace.start" } as StartTask;
export const NODE_IMAGE = "node:24-bookworm-slim";

export class Repository implements AsyncDisposable {
  readonly root: string;
  readonly name: string;
  readonly folder: string;
  readonly homeVolume: string;
  readonly events: TaskEvent[] = [];
  readonly engine: Engine;
  readonly images: string[] = [];

  static async open(files: Record<string, string | object>): Promise<Repository> {
    return new Repository(await openTestEngine(), files);
  }

  /** `root` is that of another life of the same repository. */
  constructor(engine: Engine, files: Record<string, string | object>, root = mkdtempSync(join(tmpdir(), "gs-raise-"))) {
    this.engine = engine;
    this.root = root;
    this.name = basename(root).toLowerCase();
    this.folder = join(root, "workspaces", this.name);
    this.homeVolume = `${this.name}-home`;
    this.write({ "README.md": "hello", ...files });
  }

  write(files: Record<string, string | object>): void {
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(this.folder, path)), { recursive: true });
      const text = typeof content === "string" ? content : JSON.stringify(content);
      writeFileSync(join(this.folder, path), text, { mode: path.endsWith(".sh") ? 0o755 : 0o644 });
    }
  }

  async raise(changes: Partial<Raising> = {}, signal = AbortSignal.timeout(60_000)): Promise<Container> {
    const journal = {
      lastSeq: () => 0,
      append: (_: string, events: readonly TaskEvent[]) => this.events.push(...events),
    };
    const work = new Work({ task, receivedAt: 0 }, journal, systemClock);
    signal.addEventListener("abort", () => work.abort(signal.reason), { once: true });
    const runFolder = join(this.root, "run");
    mkdirSync(runFolder, { recursive: true, mode: 0o700 });
    try {
      return await raiseContainer(work, {
        engine: this.engine,
        clone: { folder: this.folder, fresh: true },
        devcontainerPath: undefined,
        homeVolume: this.homeVolume,
        policy: strictPolicy,
        defaultImage: NODE_IMAGE,
        mounts: [],
        secrets: { git: [] },
        runFolder,
        stateFolder: join(this.root, "state"),
        ...changes,
      });
    } finally {
      this.events.push(...work.finish());
    }
  }

  /** The messages of all events of a kind. */
  told(kind: TaskEvent["kind"]): string[] {
    return this.events.filter((event) => event.kind === kind).map(({ message }) => message);
  }

  async inside({ id, user }: Container, script: string, as = user.name): Promise<string> {
    const signal = AbortSignal.timeout(20_000);
    return (await this.engine.ask(["exec", "--user", as, id, "sh", "-c", script], signal)).trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const signal = AbortSignal.timeout(30_000);
    const project = projectOf(this.folder);
    await removeContainers(this.engine, this.folder, project, signal);
    const named = (kind: string) =>
      this.engine.ask([kind, "ls", "--quiet", "--filter", `label=com.docker.compose.project=${project}`], signal);
    const volumes = [this.homeVolume, ...(await named("volume")).split("\n").filter((each) => each !== "")];
    await this.engine.docker(["volume", "rm", "--force", ...volumes], { signal });
    for (const network of (await named("network")).split("\n").filter((each) => each !== ""))
      await this.engine.docker(["network", "rm", network], { signal });
    const built = [`vsc-${this.name}*`, `${project}_*`, `${project}-*`].flatMap((each) => [
      "--filter",
      `reference=${each}`,
    ]);
    const images = await this.engine.ask(["images", "--quiet", ...built], signal);
    const own = [...images.split("\n").filter((each) => each !== ""), ...this.images];
    if (own.length > 0) await this.engine.docker(["rmi", "--force", ...own], { signal });
    rmSync(this.root, { recursive: true, force: true });
  }
}
