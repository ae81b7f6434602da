// Who made a task: the control plane signs, the agent verifies, nobody between can make or re-address one.
import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import { CompactSign, type CryptoKey, type JSONWebKeySet, compactVerify, createLocalJWKSet } from "jose";
import { fail } from "./failure.ts";
import type { GitspaceTask } from "./task.ts";

export type Unsigned<T> = T extends unknown ? Omit<T, "signature"> : never;

/** The claims a signature covers; the data through the SHA-256 of its canonical form (RFC 8785). */
function claims(task: Unsigned<GitspaceTask>): string {
  const { id, type, gitspaceId, generation, deadline, data } = task;
  const digest = createHash("sha256")
    .update(canonicalize(data) ?? "")
    .digest("base64url");
  return canonicalize({ id, type, gitspaceId, generation, deadline, digest }) ?? "";
}

/** Signs a `gitspace.*` task (EdDSA JWS, RFC 7515 and RFC 8037). */
export async function signTask<T extends Unsigned<GitspaceTask>>(
  task: T,
  key: CryptoKey,
  kid: string,
): Promise<T & { signature: string }> {
  const signature = await new CompactSign(new TextEncoder().encode(claims(task)))
    .setProtectedHeader({ alg: "EdDSA", kid, typ: "gitspaces-task+jws" })
    .sign(key);
  return { ...task, signature };
}

/** Checks that the control plane made exactly this task. @throws {FailureError} `denied` when it did not. */
export async function verifyTask(task: GitspaceTask, keys: JSONWebKeySet): Promise<void> {
  const signed = await compactVerify(task.signature, createLocalJWKSet(keys), { algorithms: ["EdDSA"] }).catch(
    (cause: unknown) => {
      throw fail("denied", "The task's signature is not the control plane's.", { cause });
    },
  );
  if (
    signed.protectedHeader.typ !== "gitspaces-task+jws" ||
    new TextDecoder().decode(signed.payload) !== claims(task)
  ) {
    throw fail("denied", "The task differs from what the control plane signed.");
  }
}
