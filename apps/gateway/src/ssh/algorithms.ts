// Which algorithms SSH uses here: modern ones alone, the fastest first. Pure.
import { createRequire } from "node:module";
import type { Algorithms } from "ssh2";

/**
 * What is offered on both sides of the gateway: nothing of SHA-1, CBC, finite-field groups or NIST's curves, which audits refuse.
 * Strict kex is always on. People's own keys may be of other kinds.
 */
export const algorithms = {
  kex: ["curve25519-sha256", "curve25519-sha256@libssh.org"],
  serverHostKey: ["ssh-ed25519"],
  cipher: [
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
  ],
  hmac: ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com"],
  compress: ["none"],
} as const satisfies Algorithms;

/** Whether ssh2 has its compiled ciphers; without them SSH works at about 1.5 times the processor time. */
export function hasNativeCiphers(): boolean {
  try {
    createRequire(import.meta.url)("ssh2/lib/protocol/crypto/build/Release/sshcrypto.node");
    return true;
  } catch {
    return false;
  }
}
