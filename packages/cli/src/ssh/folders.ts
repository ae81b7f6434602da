// Where the command keeps what belongs to SSH: beside the person's own ~/.ssh, and its own key in its own folder.
import { homedir } from "node:os";
import { join, resolve } from "node:path";

export type SshFolders = {
  /** The person's `~/.ssh`. */
  ssh: string;
  /** The person's own configuration, of which a few marked lines are ours. */
  config: string;
  /** Ours alone. */
  ownConfig: string;
  knownHosts: string;
  /** The private key that is made when the person wants none of theirs used. */
  ownKey: string;
};

export function sshFolders(env: NodeJS.ProcessEnv): SshFolders {
  const home = env["HOME"] || homedir();
  const ssh = join(home, ".ssh");
  return {
    ssh,
    config: join(ssh, "config"),
    ownConfig: join(ssh, "gitspaces", "config"),
    knownHosts: join(ssh, "gitspaces", "known_hosts"),
    ownKey: join(env["XDG_CONFIG_HOME"] || join(home, ".config"), "gitspaces", "ssh", "id_ed25519"),
  };
}

/** The `gitspaces` command itself, for ssh to call. */
export const launcher = resolve(import.meta.dirname, "../../../../bin/gitspaces");
