// Where a Gitspace's programs run: in the VM itself, or in a dev container of the VM's own engine. The agent does the rest.
import type { Socket } from "node:net";
import type { Secrets } from "@gitspaces/contracts";
import type { Clone } from "./clone.ts";
import type { IdeState } from "./ide.ts";
import type { SshConnection } from "./ssh/ssh-door.ts";
import type { Work } from "./work.ts";

export type Wanted = {
  clone: Clone;
  /** The devcontainer.json to use, relative to the repository; nothing chooses the usual one. */
  devcontainerPath: string | undefined;
  secrets: Secrets;
};

/** Where the person finds everything, as they see it. */
export type Raised = { folder: string; user: string; notApplied: string[] };

export interface Workplace {
  /** Before a Gitspace came: whether this VM is ready for one. After: whether its IDE is. */
  readonly state: IdeState;
  /** What can be done before anyone comes, and what a Gitspace that ran needs again after this agent was away. */
  warm(): void;
  /** The home disk is there, the clone is not. What takes long goes on in the background until `raise`. */
  settle(work: Work): void | Promise<void>;
  /**
   * From a clone to a Gitspace that can be opened, in the stages `devcontainer` and `ide`.
   * @throws {FailureError} `devcontainer_invalid`, `bad_request`, `ide_failed`, `disk_full` or `vm_unreachable`
   */
  raise(work: Work, wanted: Wanted): Promise<Raised>;
  /** Ends everything of the person politely, the IDE too; nothing writes to the home disk afterwards. */
  end(): Promise<void>;
  /** Whether the clone at `folder` (as `Clone.folder`) holds work that is nowhere else. Runs no code of the repository outside its walls. */
  hasGitChanges(folder: string | undefined): Promise<boolean>;
  /** Ports of the Gitspace's own localhost that listen and may be forwarded to, ascending. */
  ports(): number[];
  /** @throws {FailureError} `denied`, or `vm_unreachable` when nothing listens there. */
  dial(port: number): Promise<Socket>;
  /** @throws {FailureError} `vm_unreachable` while the IDE does not listen. */
  dialIde(): Promise<Socket>;
  /**
   * A connection to an sshd that runs as the person and lets these keys in (`type blob`).
   * @throws {FailureError} `vm_unreachable` while the workplace is not up, `unsupported` without an sshd
   */
  dialSsh(keys: readonly string[]): Promise<SshConnection>;
}
