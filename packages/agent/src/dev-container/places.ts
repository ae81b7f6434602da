// Where things of a Gitspace with a dev container are in its VM, from the agent's configuration. Pure.
import type { Cloning } from "../clone.ts";
import type { Account } from "../git.ts";
import type { AgentConfig } from "../config.ts";
import { disksOf, type WatchedDisk } from "./disk-watch.ts";
import { workspacesOf } from "./volumes.ts";

/** Who clones, and whom a workspace belongs to until a dev container has its own user: the number that most images give theirs. */
const CLONER = { uid: 1_000, gid: 1_000 } as const;

type Places = { cloning: Pick<Cloning, "parent" | "hosts" | "prepared"> & { as: Account }; disks: WatchedDisk[] };

/** Where clones go and which disks may be full. */
export function placesOf({ home, engineCommand, engineStore, metadata, preparedFolder }: AgentConfig): Places {
  // A VM of its own has nothing on its loopback that a repository could come from, and an agent that it must not reach.
  const ownVm = engineCommand !== undefined;
  return {
    cloning: {
      parent: workspacesOf(home),
      as: CLONER,
      hosts: { loopback: !ownVm },
      ...(metadata.preload?.repository === undefined ? {} : { prepared: takeFrom(preparedFolder) }),
    },
    disks: disksOf(home, ownVm ? engineStore : home),
  };
}

/** Loaded only where a Gitspace comes to a VM that was prepared. */
function takeFrom(folder: string): NonNullable<Cloning["prepared"]> {
  return async (work, cloning, into) => {
    const { takePrepared } = await import("./prepared-clone.ts");
    return await takePrepared(folder, work, cloning, into);
  };
}

/** `unix://` and the socket of the engine: the VM's own, else the one that the environment names. */
export function engineHostOf({ engineCommand, engineSocket }: AgentConfig, env: NodeJS.ProcessEnv): string {
  if (engineCommand !== undefined) return `unix://${engineSocket}`;
  return env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock";
}
