// Shows one Gitspace.
import type { CliContext } from "../program.ts";
import { showGitspace } from "../gitspace-view.ts";
import { findGitspace } from "../reference.ts";
import { signedIn } from "./session.ts";

/** Prints one Gitspace. */
export async function show(context: CliContext, reference: string): Promise<void> {
  showGitspace(context.terminal, await findGitspace(signedIn(context), reference));
}
