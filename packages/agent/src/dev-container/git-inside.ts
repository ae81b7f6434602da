// git inside the dev container, made ready for the person: who they are, and where credentials and signatures come from.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Secrets } from "@gitspaces/contracts";
import { ensureGitIdentity } from "../git-identity.ts";
import { signingKeyOf } from "../git-in-place.ts";
import { gitPrograms } from "../git-programs.ts";
import { failpoint } from "@gitspaces/daemon";
import type { Work } from "../work.ts";
import { type EngineAccess, type Place, runInside } from "./in-container.ts";

export type GitInside = {
  engine: EngineAccess;
  container: Place;
  /** The folder for our programs as this agent writes to it, and as programs inside see it: read-only and executable there. */
  folder: { here: string; inside: string };
  /** The door's socket and a Node, as programs inside see them; without a Node that runs there, nothing. */
  door: string;
  node: string | undefined;
};

/**
 * Makes git of the person ready: identity in their home, credentials and signatures by way of the door. Our configuration is
 * included by the container's `/etc/gitconfig`, the lowest level. What cannot be done is told of and does not stop a start.
 */
export async function prepareGitInside(work: Work, secrets: Secrets, parts: GitInside): Promise<void> {
  const { engine, container, folder, door, node } = parts;
  const { signal, task } = work;
  const signingKey = await signingKeyOf(work, secrets);
  mkdirSync(folder.here, { recursive: true });
  for (const { name, text, mode } of gitPrograms({ folder: folder.inside, door, node, include: undefined, signingKey }))
    writeFileSync(join(folder.here, name), text, { mode });
  const inside = async (args: readonly string[], user?: string) =>
    await runInside(engine, container, { args, cwd: "/", signal, ...(user === undefined ? {} : { user }) });
  const included = `${folder.inside}/gitconfig`;
  const script = `grep -qsF "$1" /etc/gitconfig || printf '[include]\\n\\tpath = %s\\n' "$1" >>/etc/gitconfig`;
  const including = inside(["/bin/sh", "-c", script, "sh", included], "0");
  const author = task.type === "gitspace.start" ? task.data.author : { name: "", email: "" };
  const identifying = ensureGitIdentity(async (args) => await inside(args), author);
  const [{ code }] = await Promise.all([including, identifying]);
  failpoint("agent.afterGitInside");
  if (code !== 0)
    work.emit("note", "git of this container could not be told where credentials are; a push will ask for them.");
}
