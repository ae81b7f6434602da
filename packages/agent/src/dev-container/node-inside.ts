// Which Node runs in a container: the VM's as it is, or the VM's with a C library of its own.
import type { Container } from "./container.ts";
import { type EngineAccess, runInside } from "./in-container.ts";
import { INSIDE, type InsideFolder } from "./inside-folder.ts";
import { runsOurPrograms } from "./libc.ts";
import { lendLibc } from "./own-libc.ts";

const TRY_DEADLINE_MS = 10_000;

type Parts = { engine: EngineAccess; inside: InsideFolder; container: Container };

/** Its path inside, and whether it is one with a C library of its own. @throws {FailureError} `unsupported` when no Node can run there. */
export async function nodeInside({ engine, inside, container }: Parts): Promise<{ node: string; isLent: boolean }> {
  if (runsOurPrograms(container.libc, inside.glibc) ?? (await tryNode(engine, container)))
    return { node: INSIDE.node, isLent: false };
  return { node: await lendLibc(inside, inside.node), isLent: true };
}

async function tryNode(engine: EngineAccess, container: Container): Promise<boolean> {
  const signal = AbortSignal.timeout(TRY_DEADLINE_MS);
  const { code } = await runInside(engine, container, {
    args: [INSIDE.node, `${INSIDE.scripts}/probe.mjs`],
    cwd: "/",
    signal,
  });
  return code === 0;
}
