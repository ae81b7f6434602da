// Secrets at rest: AES-256-GCM under the control plane's key, bound to the Gitspace they belong to.
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { fail } from "@gitspaces/contracts";

const IV_BYTES = 12;
const TAG_BYTES = 16;

export type Vault = { seal(secret: string, owner: string): Buffer; open(sealed: Uint8Array, owner: string): string };

/** `keyHex` is 64 hex digits. @throws {FailureError} `bad_request` when it is not. */
export function openVault(keyHex: string): Vault {
  if (!/^[0-9a-f]{64}$/i.test(keyHex)) throw fail("bad_request", "The key in secretsKeyFile should be 64 hex digits.");
  const key = Buffer.from(keyHex, "hex");
  return {
    seal(secret, owner) {
      const iv = randomBytes(IV_BYTES);
      const cipher = createCipheriv("aes-256-gcm", key, iv).setAAD(Buffer.from(owner));
      const text = Buffer.concat([cipher.update(secret, "utf8"), cipher.final()]);
      return Buffer.concat([iv, cipher.getAuthTag(), text]);
    },
    open(sealed, owner) {
      const bytes = Buffer.from(sealed);
      const tagEnd = IV_BYTES + TAG_BYTES;
      const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES });
      decipher.setAAD(Buffer.from(owner)).setAuthTag(bytes.subarray(IV_BYTES, tagEnd));
      return Buffer.concat([decipher.update(bytes.subarray(tagEnd)), decipher.final()]).toString("utf8");
    },
  };
}
