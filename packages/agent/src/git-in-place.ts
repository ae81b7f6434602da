// Git of the person where it runs in the VM itself: the broker's door, the programs that knock there, and who the person is.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FailureError, type Secrets } from "@gitspaces/contracts";
import type { ChildEnvironment } from "./child-environment.ts";
import { run } from "./command.ts";
import type { GitBroker } from "./git-broker.ts";
import { openGitDoor } from "./git-door.ts";
import { ensureGitIdentity } from "./git-identity.ts";
import { gitPrograms } from "./git-programs.ts";
import { sshPublicKey } from "./signing.ts";
import type { Work } from "./work.ts";

export type GitInPlace = AsyncDisposable & {
  /** For the processes of the person: where git finds the configuration that names our programs. */
  env: ChildEnvironment;
  /** Makes git ready for who the task is for. What of it cannot be done is told of and does not stop a start. */
  prepare(work: Work, secrets: Secrets, env: ChildEnvironment): Promise<void>;
};

/** The public half of the key to sign with, where there is one that can be used; what cannot be used is told of. */
export async function signingKeyOf(work: Work, { signing }: Secrets): Promise<string | undefined> {
  if (signing === undefined) return undefined;
  if (signing.format === "openpgp") {
    work.emit("note", "Commits are signed with SSH keys only; the OpenPGP key of this Gitspace is left alone.");
    return undefined;
  }
  try {
    return await sshPublicKey(signing.key);
  } catch (error) {
    work.emit("note", error instanceof FailureError ? error.message : "The signing key cannot be used.");
    return undefined;
  }
}

/** Opens it; disposing closes the door. The programs stand in `stateFolder`, since a run folder may allow none to be run. */
export async function openGitInPlace(parts: {
  broker: GitBroker;
  runFolder: string;
  stateFolder: string;
}): Promise<GitInPlace> {
  const folder = join(parts.stateFolder, "git");
  const door = join(parts.runFolder, "git.sock");
  const write = (signingKey: string | undefined) => {
    const files = gitPrograms({ folder, door, node: process.execPath, include: "/etc/gitconfig", signingKey });
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const { name, text, mode } of files) writeFileSync(join(folder, name), text, { mode });
  };
  write(undefined);
  const opened = await openGitDoor(parts.broker, door);
  return {
    env: { GIT_CONFIG_SYSTEM: join(folder, "gitconfig") },
    async prepare(work, secrets, env) {
      write(await signingKeyOf(work, secrets));
      const { task, signal } = work;
      if (task.type !== "gitspace.start") return;
      const runAsPerson = async ([program = "", ...args]: readonly string[]) =>
        await run({ program, args, cwd: "/", env, signal });
      await ensureGitIdentity(runAsPerson, task.data.author);
    },
    [Symbol.asyncDispose]: async () => await opened[Symbol.asyncDispose](),
  };
}
