// Keys that people log in with over SSH, and where that is done, as the public API shows them.
import { z } from "zod";
import { Port } from "./names.ts";

/** What a `public_key` may be at most: an RSA key of 16384 bits has 2,800 characters. */
const LONGEST_KEY = 8_192;
/** How many keys a person may have; each travels in the access document of each of their Gitspaces. */
export const SSH_KEYS_PER_PERSON = 50;
/** Where a WebSocket carries an SSH connection, on a Gitspace's host: its binary frames are the connection's bytes. */
export const SSH_WEBSOCKET_PATH = "/.gitspaces/ssh";
/** Where a gateway publishes its host keys, one to a line, on any host of its domain. */
export const SSH_HOST_KEYS_PATH = "/.gitspaces/ssh-host-keys";

export const CreateSshKey = z.strictObject({
  public_key: z.string().min(1).max(LONGEST_KEY).describe("one line as in a .pub file: type, base64, comment"),
  name: z.string().trim().min(1).max(100).optional().describe("defaults to the key's comment"),
});

export const SshKey = z.object({
  identifier: z.string(),
  name: z.string(),
  type: z.string().describe("as OpenSSH names it, such as ssh-ed25519"),
  fingerprint: z.string().describe("SHA256:..., as ssh-keygen -l shows it"),
  public_key: z.string().describe("type and base64, without the comment"),
  created: z.number().int().describe("milliseconds since the epoch"),
});
export type SshKey = z.infer<typeof SshKey>;

/** `GET /ssh`. */
export const SshPlace = z.object({
  host: z.string().describe("the gateways' domain"),
  port: Port.describe("of SSH itself"),
  url: z.string().describe("Gitspaces are hosts under this one, where a WebSocket carries SSH too"),
  host_keys: z.array(z.string()).describe("of every gateway: type and base64"),
});
export type SshPlace = z.infer<typeof SshPlace>;
