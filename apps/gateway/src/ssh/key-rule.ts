// Whose key opens what, from the access documents. Only an owner's keys open a Gitspace, whatever its ports are open to.
import type { AccessDocument } from "@gitspaces/contracts";
import type { PublicKeyAuthContext } from "ssh2";
import ssh2 from "ssh2";
import type { Access } from "../access.ts";
import { blobOf, keysOf } from "./known-keys.ts";
import { isProvenByDevice } from "./security-key.ts";

/** Who came: by which key (its blob in base64), and for which Gitspace. Without one they may go on to their Gitspaces, as by a jump. */
export type Guest = { key: string; login: string; gitspaceId: string | undefined };

const LARGEST_HEADER = 8 * 1024;

/** Whether a key is one of the owner's. */
export function opens(document: AccessDocument | undefined, key: string): document is AccessDocument {
  return document !== undefined && keysOf(document).has(key);
}

/** Who logs in with a key under a name, or nothing: for a key that opens nothing at all, whatever the name. */
export function recognise(access: Pick<Access, "find" | "isSshKey">, login: string, key: string): Guest | undefined {
  if (!access.isSshKey(key)) return undefined;
  return { key, login, gitspaceId: opens(access.find(login), key) ? login : undefined };
}

/** Whether the signature proves that the key is theirs. SHA-1 proves nothing any more. */
export function isProven({ key, signature, blob, hashAlgo }: PublicKeyAuthContext): boolean {
  if (signature === undefined || blob === undefined) return false;
  if (key.algo === "ssh-rsa" && hashAlgo === undefined) return false;
  if (key.algo.startsWith("sk-")) return isProvenByDevice(key.data, signature, blob);
  const parsed = ssh2.utils.parseKey(key.data);
  // Another name for a key would choose another hash for it, for RSA's keys SHA-1.
  if (parsed instanceof Error || parsed.type !== key.algo) return false;
  // It gives an error where its types say a boolean.
  const verdict: unknown = parsed.verify(blob, signature, hashAlgo);
  return verdict === true;
}

/** The owner's keys for an agent (`type blob` lines), the one in use first, as many as fit into a header. */
export function keysFor(document: AccessDocument, key: string): string[] {
  const lines = document.sshKeys.map((line) => line.trim().split(/\s+/).slice(0, 2).join(" "));
  const sorted = lines.toSorted((one, other) => Number(blobOf(other) === key) - Number(blobOf(one) === key));
  let length = 0;
  return sorted.filter((line) => (length += line.length + 1) <= LARGEST_HEADER * 0.75);
}
