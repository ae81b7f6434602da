// A warm VM that holds a repository ready: cloned, its dev container made up to the hooks that need no person, and kept as an image.
import { chownSync, existsSync, mkdirSync, readdirSync, realpathSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type AgentMetadata, fail, type Secrets } from "@gitspaces/contracts";
import { failpoint, type Logger } from "@gitspaces/daemon";
import { type Cloning, ensureClone, repositoryFolder } from "../clone.ts";
import { run } from "../command.ts";
import { type Account, git, privilegesOf } from "../git.ts";
import type { Work } from "../work.ts";
import { endOrphans } from "./cli.ts";
import type { Engine } from "./engine.ts";
import { wipeCredential } from "./prepared-credential.ts";
import { removeLeftovers } from "./prepared-leftovers.ts";
import { prepareContainer } from "./prepared-raising.ts";
import { forgetPrepared, preparedWorkspaces, readPrepared, writePrepared } from "./prepared-record.ts";
import type { Raising } from "./raising.ts";
import { workForLog } from "./resumption.ts";

type Told = NonNullable<NonNullable<AgentMetadata["preload"]>["repository"]>;
type Ground = Pick<Raising, "homeVolume" | "policy" | "defaultImage" | "mounts" | "runFolder">;
export type Preparing = {
  repository: Told;
  /** Holds everything that is prepared, for root alone to write. */
  folder: string;
  metadataFile: string;
  engine: Engine;
  cloning: Pick<Cloning, "hosts" | "env"> & { as: Account };
  /** As a later start will have it: it is part of what the image is made for. */
  ground: () => Promise<Ground>;
  log: Logger;
};

const LEAVING_MS = 30_000;

export class Preparation {
  readonly #preparing: Preparing;
  readonly #lendingOver = new AbortController();
  #credential: Told["credential"];

  constructor(preparing: Preparing) {
    this.#preparing = preparing;
    this.#credential = preparing.repository.credential;
  }

  /** From now on nobody can clone with the pool's credential: neither a later life of this agent nor a clone under way. */
  wipe(): void {
    this.#credential = undefined;
    this.#lendingOver.abort(new Error("the credential is not lent any longer"));
    wipeCredential(this.#preparing.metadataFile);
  }

  /** Prepares the repository, unless it is already. What an earlier life left half done goes first. @throws what went wrong */
  async prepare(signal: AbortSignal): Promise<void> {
    const { folder, repository, engine, log } = this.#preparing;
    if (readPrepared(folder) !== undefined) return;
    const since = performance.now();
    const workspace = repositoryFolder(preparedWorkspaces(folder), repository.url);
    await engine.ready(signal);
    await this.#clear(workspace, signal);
    const { runFolder, ...ground } = await this.#preparing.ground();
    // Its own, so that whatever a task lends does not meet it.
    const own = `${runFolder}-prepared`;
    try {
      rmSync(own, { recursive: true, force: true });
      mkdirSync(own, { mode: 0o700 });
      await this.#perform(workspace, { ...ground, runFolder: own }, signal);
      log.info({ tookMs: Math.round(performance.now() - since) }, "the repository is prepared");
    } catch (error) {
      await this.#clear(workspace, AbortSignal.timeout(LEAVING_MS)).catch((left: unknown) =>
        log.warn({ err: left }, "something of a preparation was left behind"),
      );
      throw error;
    } finally {
      for (const each of [own, `${own}-git`]) rmSync(each, { recursive: true, force: true });
    }
  }

  async #perform(workspace: string, ground: Ground, signal: AbortSignal): Promise<void> {
    const { folder, repository, engine, log } = this.#preparing;
    const { url, devcontainerPath } = repository;
    const work = workForLog(signal, log);
    await this.#clone(ground.runFolder, signal);
    const clean = join(folder, "git");
    await this.#asCloner(work, ["cp", "--archive", "--reflink=auto", "--", join(workspace, ".git"), clean]);
    const commit = await this.#headOf(workspace, signal);
    failpoint("agent.afterPreparedClone");
    const hasSubmodules = existsSync(join(clean, "modules"));
    const made = await prepareContainer(work, {
      ...ground,
      engine,
      devcontainerPath,
      clone: { folder: workspace, fresh: true },
      secrets: { git: [] },
      stateFolder: join(folder, "state"),
      keepContainer: !hasSubmodules,
    });
    await removeLeftovers(engine, realpathSync(workspace), signal);
    // Hooks may have left files to anybody, and anything in `.git`; the person's clone begins with what the host gave.
    if (hasSubmodules) for (const name of readdirSync(workspace)) rmSync(join(workspace, name), { recursive: true });
    rmSync(join(workspace, ".git"), { recursive: true, force: true });
    renameSync(clean, join(workspace, ".git"));
    await own(workspace, this.#preparing.cloning.as, signal);
    failpoint("agent.afterPreparedFolder");
    const { image, ...rest } = made;
    const kept = hasSubmodules ? { none: "the repository has submodules" } : image;
    writePrepared(folder, { url, commit, image: kept, taken: false, ...rest });
    failpoint("agent.afterPrepared");
  }

  async #clone(runFolder: string, signal: AbortSignal): Promise<void> {
    const { folder, repository, cloning, log } = this.#preparing;
    const { url, branch } = repository;
    const git = this.#credential === undefined ? [] : [{ host: new URL(url).host, ...this.#credential }];
    const secrets: Secrets = { git };
    const work = workForLog(AbortSignal.any([signal, this.#lendingOver.signal]), log);
    const parent = preparedWorkspaces(folder);
    const place = { home: folder, parent, runFolder, author: { name: "", email: "" } };
    await ensureClone(work, {
      ...cloning,
      ...place,
      secrets,
      repository: { url, ...(branch === undefined ? {} : { branch }) },
    });
  }

  async #headOf(cwd: string, signal: AbortSignal): Promise<string> {
    const { env, as } = this.#preparing.cloning;
    const { code, output } = await git(["rev-parse", "HEAD"], { cwd, env, signal, as });
    if (code !== 0) throw fail("internal", "The prepared clone has no commit.");
    return output.join("").trim();
  }

  async #asCloner({ signal }: Work, args: string[]): Promise<void> {
    const { env, as } = this.#preparing.cloning;
    // Beside the clones, where this account may not make anything.
    const target = args.at(-1) ?? "";
    mkdirSync(target, { mode: 0o755 });
    if (process.getuid?.() === 0) chownSync(target, as.uid, as.gid);
    const [program = "", ...all] = [...privilegesOf(as), args[0] ?? "", "--no-target-directory", ...args.slice(1)];
    const { code, output } = await run({ program, args: all, cwd: "/", env, signal });
    if (code !== 0) throw fail("internal", `git's folder could not be set aside: ${output.slice(-2).join(" | ")}`);
  }

  async #clear(workspace: string, signal: AbortSignal): Promise<void> {
    const { engine, folder } = this.#preparing;
    endOrphans(workspace);
    await removeLeftovers(engine, workspace, signal);
    await forgetPrepared(folder);
    mkdirSync(preparedWorkspaces(folder), { recursive: true, mode: 0o755 });
  }
}

/** Every file is the account's, whoever made it; links are not followed, and rights to run as somebody else are gone with it. */
async function own(folder: string, { uid, gid }: Account, signal: AbortSignal): Promise<void> {
  const args = ["--recursive", "-P", "--no-dereference", "--preserve-root", `${uid}:${gid}`, "--", folder];
  const env = { PATH: process.env["PATH"] ?? "/usr/bin:/bin", LC_ALL: "C" };
  const { code, output } = await run({ program: "chown", args, cwd: "/", env, signal });
  if (code !== 0) throw fail("internal", `The prepared clone could not be kept: ${output.slice(-2).join(" | ")}`);
}
