// SSH into a workplace, as the agent's port offers it: one socket to an sshd, and what the gateway needs to know of it.
import type { Duplex } from "node:stream";
import { SSH_HOST_KEY_HEADER, SSH_USER_HEADER } from "@gitspaces/contracts";

export type SshConnection = {
  socket: Duplex;
  /** The one user that sshd lets in. */
  user: string;
  /** `type blob`. */
  hostKey: string;
};

/** What the answer to a CONNECT says of the sshd behind it. */
export function tellOf({ user, hostKey }: SshConnection): Record<string, string> {
  return { [SSH_USER_HEADER]: user, [SSH_HOST_KEY_HEADER]: hostKey };
}
