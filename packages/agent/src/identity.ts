// Who this VM works for. It is told once in its life and knows it before it says so.
import { generateKeyPairSync, type webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fail, Identity, type IdentityAnswer, parse, type SealingKey } from "@gitspaces/contracts";
import { z } from "zod";
import { writeDurably } from "./durable-file.ts";

const PrivateKey = z.object({
  kty: z.literal("EC"),
  crv: z.literal("P-256"),
  x: z.string(),
  y: z.string(),
  d: z.string(),
});
type PrivateKey = z.infer<typeof PrivateKey>;

function readIfThere(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

export class IdentityStore {
  readonly #file: string;
  readonly #key: PrivateKey;
  #identity: Identity | undefined;

  constructor(stateFolder: string) {
    this.#file = join(stateFolder, "identity.json");
    const stored = readIfThere(this.#file);
    this.#identity = stored === undefined ? undefined : parse(Identity, stored, this.#file);
    this.#key = loadOrMakeSealingKey(join(stateFolder, "sealing-key.json"));
  }

  get identity(): Identity | undefined {
    return this.#identity;
  }

  /** The public key to which this agent's secrets are sealed. */
  get agentKey(): SealingKey {
    const { kty, crv, x, y } = this.#key;
    return { kty, crv, x, y };
  }

  /** The private half, for opening sealed secrets. */
  async openingKey(): Promise<webcrypto.CryptoKey> {
    return await crypto.subtle.importKey("jwk", this.#key, { name: "ECDH", namedCurve: "P-256" }, false, [
      "deriveBits",
    ]);
  }

  /** Takes an identity, durably. The same Gitspace again gets the same answer. @throws {FailureError} `conflict` for another one. */
  take(offered: Identity): IdentityAnswer {
    const present = this.#identity;
    if (present !== undefined && present.gitspaceId !== offered.gitspaceId) {
      throw fail("conflict", "This VM belongs to another Gitspace, and always will.", { retry: "never" });
    }
    if (present !== undefined && present.homeDisk !== offered.homeDisk) {
      throw fail("conflict", `This VM's home disk is ${present.homeDisk}.`, { retry: "never", field: "homeDisk" });
    }
    if (present === undefined) {
      writeDurably(this.#file, `${JSON.stringify(offered)}\n`);
      this.#identity = offered;
    }
    return { agentKey: this.agentKey };
  }
}

function loadOrMakeSealingKey(file: string): PrivateKey {
  const stored = readIfThere(file);
  if (stored !== undefined) return parse(PrivateKey, stored, file);
  const jwk = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" });
  const made = parse(PrivateKey, jwk, "sealing key");
  writeDurably(file, `${JSON.stringify(made)}\n`);
  return made;
}
