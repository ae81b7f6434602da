// Whether a clone holds work that is nowhere else, asked where its code is at home: in the dev container, or in one of the
// default image for the moment, without network. A filter of the repository may run then, and finds nothing but the clone.
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Ended } from "../command.ts";
import { RUNS_NOTHING } from "../git.ts";
import type { Container } from "./container.ts";
import type { Engine } from "./engine.ts";
import { runInside } from "./in-container.ts";

const questions = [
  ["status", "--porcelain", "--untracked-files=normal"],
  ["stash", "list"],
  ["rev-list", "--max-count=1", "HEAD", "--branches", "--not", "--remotes"],
] as const;
const LOOK_DEADLINE_MS = 15_000;
const NO_PROGRAM = [125, 126, 127];

type Ask = (args: readonly string[], signal: AbortSignal) => Promise<Ended>;
type Asked = { engine: Engine; container: Container | undefined; folder: string; defaultImage: string };

/** True when `folder` holds work that is nowhere else; also when nobody could be asked. A folder without a repository has none. */
export async function askGit({ engine, container, folder, defaultImage }: Asked): Promise<boolean> {
  if (!existsSync(join(folder, ".git"))) return false;
  const inside = container === undefined ? undefined : await answerOf(askInside(engine, container));
  return inside ?? (await answerOf(askAside(engine, folder, defaultImage))) ?? true;
}

/** Nothing when there is no git to ask. */
async function answerOf(ask: Ask): Promise<boolean | undefined> {
  const signal = AbortSignal.timeout(LOOK_DEADLINE_MS);
  try {
    for (const question of questions) {
      const args = [...RUNS_NOTHING, "-c", "safe.directory=*", "--no-optional-locks", ...question];
      const { code, output } = await ask(args, signal);
      if (code === null || NO_PROGRAM.includes(code)) return undefined;
      // A repository without any commit has no HEAD to list from.
      const empty = question[0] === "rev-list" && code !== 0;
      if (!empty && (code !== 0 || output.length > 0)) return true;
    }
    return false;
  } catch {
    return undefined;
  }
}

function askInside(engine: Engine, container: Container): Ask {
  return async (args, signal) => await runInside(engine, container, { args: ["git", ...args], signal });
}

function askAside(engine: Engine, folder: string, image: string): Ask {
  const { uid, gid } = statSync(folder);
  const walls = ["--rm", "--network=none", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--pull=never"];
  const place = [`--user=${uid}:${gid}`, "--env=HOME=/nonexistent", "--workdir=/work", "--entrypoint=git"];
  return async (args, signal) =>
    await engine.docker(["run", ...walls, ...place, `--volume=${folder}:/work:ro`, image, ...args], { signal });
}
