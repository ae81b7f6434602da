// Who the person is to git: written into their own configuration, once, and only what they have not set themselves.
import type { Ended } from "./command.ts";

/** Runs a program in the person's place, outside of any repository, with their configuration. */
export type RunAsPerson = (args: readonly string[]) => Promise<Ended>;

/** `$1` is the name, `$2` the email; says which of them it set. */
const SCRIPT = `for key in name email; do
  if [ -n "$1" ] && ! git config --includes --get "user.$key" >/dev/null; then
    git config --global "user.$key" "$1" && echo "$key"
  fi
  shift
done`;

/** Sets `user.name` and `user.email` globally where nobody has; gives whether something was set. */
export async function ensureGitIdentity(
  runAsPerson: RunAsPerson,
  { name, email }: { name: string; email: string },
): Promise<boolean> {
  const { code, output } = await runAsPerson(["/bin/sh", "-c", SCRIPT, "sh", name, email]);
  return code === 0 && output.length > 0;
}
