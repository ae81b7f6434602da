// What a VM holds of a repository, from before a claim until somebody has taken it: offered to its own repository alone, then gone.
import { existsSync } from "node:fs";
import { repositoryFolder } from "../clone.ts";
import { git } from "../git.ts";
import type { Work } from "../work.ts";
import { Preparation, type Preparing } from "./prepared.ts";
import { removeLeftovers } from "./prepared-leftovers.ts";
import { forgetPrepared, isSameRepository, preparedWorkspaces, readPrepared } from "./prepared-record.ts";
import type { Offer } from "./prepared-use.ts";

export class PreparedHold implements AsyncDisposable {
  readonly preparation: Preparation;
  readonly #preparing: Preparing;
  #leaving: Promise<void> = Promise.resolve();

  constructor(preparing: Preparing) {
    this.#preparing = preparing;
    this.preparation = new Preparation(preparing);
  }

  /** What this start may use of it, for the clone at `folder`. Another repository's start finds nothing of it in the VM afterwards. */
  async offer(work: Work, folder: string): Promise<Offer | undefined> {
    const { folder: held, engine, repository } = this.#preparing;
    if (!existsSync(held)) return undefined;
    await removeLeftovers(engine, repositoryFolder(preparedWorkspaces(held), repository.url), work.signal);
    const record = readPrepared(held);
    if (record === undefined || work.task.type !== "gitspace.start") return undefined;
    if (isSameRepository(record.url, work.task.data.repository.url))
      return { record, head: await this.#headOf(work, folder) };
    const images = [...("name" in record.image ? [record.image.name] : []), ...record.built];
    if (images.length > 0) await engine.docker(["rmi", "--force", "--", ...images], { signal: work.signal });
    // What was built is in the engine's cache as well.
    if (engine.own) await engine.docker(["builder", "prune", "--all", "--force"], { signal: work.signal });
    await forgetPrepared(held);
    return undefined;
  }

  /** It has been taken, or will never be: the folder goes, in the background. */
  giveUp(): void {
    const { folder, log } = this.#preparing;
    this.#leaving = this.#leaving
      .then(async () => await forgetPrepared(folder))
      .catch((error: unknown) => log.error({ err: error }, "the prepared folder could not be removed"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#leaving;
  }

  /** Where the person's clone stands; one that git does not read for us stands elsewhere. */
  async #headOf({ signal }: Work, cwd: string): Promise<string | undefined> {
    const { env, as } = this.#preparing.cloning;
    const { code, output } = await git(["rev-parse", "HEAD"], { cwd, env, signal, as });
    return code === 0 ? output.join("").trim() : undefined;
  }
}
