// The control plane's part in tests: its signing key, and tasks made and signed with it.
import { randomUUID, type webcrypto } from "node:crypto";
import type { GitspaceTask, KeySet } from "@gitspaces/contracts";
import { signTask, type Unsigned } from "@gitspaces/contracts/signing";

type Data<T extends GitspaceTask["type"]> = Extract<GitspaceTask, { type: T }>["data"];
type Making = { generation?: number; gitspaceId?: string; deadlineMs?: number; id?: string };

export type ControlPlane = {
  keys: KeySet;
  task<T extends GitspaceTask["type"]>(type: T, data: Data<T>, making?: Making): Promise<GitspaceTask>;
};

export const GITSPACE = "hello-k3v9x2";

/** A control plane with a key of its own. */
export async function makeControlPlane(): Promise<ControlPlane> {
  const pair = (await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"])) as webcrypto.CryptoKeyPair;
  const { kty, crv, x } = await crypto.subtle.exportKey("jwk", pair.publicKey);
  return {
    keys: { keys: [{ kty: kty ?? "", crv, x, kid: "test", alg: "EdDSA", use: "sig" }] },
    async task(type, data, { generation = 1, gitspaceId = GITSPACE, deadlineMs = 60_000, id = randomUUID() } = {}) {
      const deadline = Date.now() + deadlineMs;
      const task = { v: 1, id, type, gitspaceId, generation, deadline, data } as Unsigned<GitspaceTask>;
      return await signTask(task, pair.privateKey, "test");
    },
  };
}
