// What differs between the kinds of VM for whoever hurts a whole system and looks at it from outside.
import type { TestProvider } from "../e2e/provider.ts";
import { dockerGround } from "./ground-docker.ts";
import { processGround } from "./ground-process.ts";
import type { Scene } from "./scene.ts";

/** A VM that has power. Its folders are those of this machine. */
export type VmFolders = {
  id: string;
  /** The agent's own. */
  state: string;
  /** The person's home, when its disk is there. */
  home: string;
  /** Where clones are. */
  workspaces: string;
};

/** The part of a scene that no daemon and no Redis knows. */
export type Machine = Pick<
  Scene,
  "vms" | "homes" | "halfRemoved" | "strays" | "namespaces" | "interfaces" | "processes"
>;

export type Ground = {
  kind: TestProvider["kind"];
  vms(data: string): VmFolders[];
  /** The agents' processes, by their numbers on this machine. */
  agentPids(data: string): number[];
  look(data: string): Promise<Machine>;
};

export function groundOf(kind: TestProvider["kind"]): Ground {
  return kind === "docker" ? dockerGround : processGround;
}
