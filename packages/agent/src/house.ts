// What the work for a Gitspace stands on, and what the agent says of its state.
import type { AgentStatus, GitspaceTask, TaskResult } from "@gitspaces/contracts";
import type { Logger } from "@gitspaces/daemon";
import type { ChildEnvironment } from "./child-environment.ts";
import type { Cloning } from "./clone.ts";
import { spaceOf, type WatchedDisk } from "./dev-container/disk-watch.ts";
import type { HomeDisk } from "./home-disk.ts";
import type { IdentityStore } from "./identity.ts";
import type { Journal } from "./journal.ts";
import type { Workplace } from "./workplace.ts";

export type House = {
  instanceId: string;
  home: string;
  runFolder: string;
  env: ChildEnvironment;
  homeDisk: HomeDisk;
  identities: IdentityStore;
  journal: Journal;
  /** Where clones are made, whose they are, and from where. */
  cloning: Pick<Cloning, "parent" | "as" | "hosts" | "prepared">;
  /** Disks that a full one is looked for among when something fails. */
  disks: readonly WatchedDisk[];
  workplace: Workplace;
  log: Logger;
};
export type GitspaceState = TaskResult<"gitspace.status">["state"];
export type TaskOf<T extends GitspaceTask["type"]> = Extract<GitspaceTask, { type: T }>;

/** The Gitspace's state as the agent knows it. */
export function stateOf({ identities, journal }: Pick<House, "identities" | "journal">): GitspaceState {
  if (identities.identity === undefined) return "unclaimed";
  return (journal.fact("state") ?? "starting") as GitspaceState;
}

/** What `GET /status` answers. */
export function agentStatus({ instanceId, identities, journal, workplace }: House): AgentStatus {
  return { instanceId, identity: identities.identity ?? null, generation: journal.generation, ide: workplace.state };
}

/** The result of `gitspace.status`. */
export async function gitspaceStatus(house: House): Promise<TaskResult<"gitspace.status">> {
  const disk = await spaceOf(house.home);
  return {
    state: stateOf(house),
    ports: house.workplace.ports(),
    ide: house.workplace.state,
    hasGitChanges: await house.workplace.hasGitChanges(house.journal.fact("folder")),
    ...(disk === undefined ? {} : { disk }),
  };
}
