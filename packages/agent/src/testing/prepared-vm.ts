// A real agent of a pool that holds a repository: told to prepare it before it is ready, with a credential of the pool's.
import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { AgentMetadata, SealingKey } from "@gitspaces/contracts";
import { sealSecrets } from "@gitspaces/contracts/sealing";
import type { Site } from "./agent-process.ts";
import type { Followed } from "./caller.ts";
import { ContainerVm } from "./container-vm.ts";
import { WORKSPACE_LABEL } from "../dev-container/existing-containers.ts";
import { removeLeftovers } from "../dev-container/prepared-leftovers.ts";
import type { Engine } from "../dev-container/engine.ts";
import { GIT_PASSWORD, GIT_USER, type GitServer } from "./git-server.ts";

type Told = NonNullable<NonNullable<AgentMetadata["preload"]>["repository"]>;

export class PreparedVm extends ContainerVm {
  /** Where the repository is prepared. */
  readonly folder: string;

  constructor(site: Site, engine: Engine, { repository, env }: { repository: Told; env?: Record<string, string> }) {
    const folder = join(site.folder, `prepared-${randomUUID().slice(0, 8)}`);
    super(site, engine, { ...env, GITSPACES_PREPARED_FOLDER: folder });
    this.folder = folder;
    const metadata = JSON.parse(this.metadata) as AgentMetadata;
    writeFileSync(this.#file, JSON.stringify({ ...metadata, preload: { images: [], repository } }));
  }

  get #file(): string {
    return join(this.vm.folder, "metadata.json");
  }

  /** The metadata file as it is now. */
  get metadata(): string {
    return readFileSync(this.#file, "utf8");
  }

  /** What the VM says of itself. */
  async state(): Promise<unknown> {
    return ((await (await this.vm.as("runner")).call("GET", "/status")).body as { ide: string }).ide;
  }

  /** Claims the VM and starts this repository with this password. */
  async open(git: GitServer, path = "/private/sample.git", password = GIT_PASSWORD): Promise<Followed> {
    const { agentKey } = (await this.vm.claim()) as { agentKey: SealingKey };
    const id = randomUUID();
    const open = { git: [{ host: git.host, username: GIT_USER, password }] };
    const data = {
      repository: { url: `${git.origin}${path}` },
      ide: "vs_code_web" as const,
      author: { name: "Ada Lovelace", email: "ada@example.com" },
      secrets: await sealSecrets(open, agentKey, { taskId: id, generation: 1 }),
    };
    return await (await this.vm.as("gateway")).perform(
      await this.vm.site.controlPlane.task("gitspace.start", data, { id }),
    );
  }

  /** What a question about images is answered, line by line. */
  async images(...args: string[]): Promise<string[]> {
    const text = await this.engine.ask(["images", ...args], AbortSignal.timeout(20_000));
    return text.split("\n").filter((each) => each !== "");
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    const workspace = join(this.folder, "workspaces/sample");
    const signal = AbortSignal.timeout(30_000);
    await removeLeftovers(this.engine, workspace, signal);
    const images = await this.images("--quiet", "--filter", `label=${WORKSPACE_LABEL}=${workspace}`);
    if (images.length > 0) await this.engine.docker(["rmi", "--force", ...images], { signal });
  }
}
