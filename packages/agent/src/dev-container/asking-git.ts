// Who is asked whether a clone holds work that is nowhere else: git of the dev container; where that has none, git of the default
// image in a container for the moment, without network; where nothing of the person's runs any more, git of the VM.
import { existsSync, lstatSync } from "node:fs";
import { join } from "node:path";
import type { ChildEnvironment } from "../child-environment.ts";
import { type AskGit, askForChanges, hasGitChanges } from "../git-changes.ts";
import type { Container } from "./container.ts";
import type { Engine } from "./engine.ts";
import { runInside } from "./in-container.ts";

const LOOK_DEADLINE_MS = 15_000;
const NOBODY = { uid: 65_534, gid: 65_534 } as const;

type Asked = {
  engine: Engine;
  container: Container | undefined;
  folder: string;
  defaultImage: string;
  env: ChildEnvironment;
};

/** True when `folder` holds work that is nowhere else; also when nobody could be asked. A folder without a repository has none. */
export async function askAbout({ engine, container, folder, defaultImage, env }: Asked): Promise<boolean> {
  if (!existsSync(join(folder, ".git"))) return false;
  if (container === undefined) {
    const { uid, gid } = lstatSync(folder);
    // Never as root, whoever the clone belongs to.
    return await hasGitChanges(folder, env, uid === 0 ? NOBODY : { uid, gid });
  }
  const signal = AbortSignal.timeout(LOOK_DEADLINE_MS);
  try {
    const inside = await hasGit(engine, container, signal);
    return await askForChanges(
      inside ? within(engine, container, signal) : aside(engine, folder, defaultImage, signal),
    );
  } catch {
    return true;
  }
}

async function hasGit(engine: Engine, container: Container, signal: AbortSignal): Promise<boolean> {
  return (await runInside(engine, container, { args: ["git", "--version"], signal })).code === 0;
}

function within(engine: Engine, container: Container, signal: AbortSignal): AskGit {
  return async (args, env) => await runInside(engine, container, { args: ["git", ...args], env, signal });
}

function aside(engine: Engine, folder: string, image: string, signal: AbortSignal): AskGit {
  const { uid, gid } = lstatSync(folder);
  const walls = ["--rm", "--network=none", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--pull=never"];
  const place = [`--user=${uid}:${gid}`, `--volume=${folder}:/work:ro`, "--workdir=/work", "--env=HOME=/nonexistent"];
  return async (args, env) => {
    const variables = Object.entries(env).map(([name, value]) => `--env=${name}=${value}`);
    const all = ["run", ...walls, ...place, ...variables, "--entrypoint=git", image, ...args];
    return await engine.docker(all, { signal });
  };
}
