// The workspace and the home belong to the person's user inside; this user is known only once the container is there.
import { statSync } from "node:fs";
import { fail } from "@gitspaces/contracts";
import { run } from "../command.ts";

export type Owner = { uid: number; gid: number };

/**
 * Gives a folder and all in it to the owner, when the folder itself is not theirs: one pass, in which no symbolic link is followed.
 * The folder comes last, so that a pass that was cut short is done again.
 * @throws {FailureError} `internal`
 */
export async function giveTo(folder: string, { uid, gid }: Owner, signal: AbortSignal): Promise<void> {
  if (statSync(folder).uid === uid) return;
  const args = ["--recursive", "-P", "--no-dereference", "--preserve-root", `${uid}:${gid}`, "--", folder];
  const env = { PATH: process.env["PATH"] ?? "/usr/bin:/bin", LC_ALL: "C" };
  const { code, output } = await run({ program: "chown", args, cwd: "/", env, signal });
  if (code !== 0)
    throw fail("internal", `The owner of ${folder} could not be changed: ${output.slice(-3).join(" | ")}`);
}
