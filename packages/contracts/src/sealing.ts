// Secrets on their way from the control plane to one agent, readable by nobody between.
import { type CryptoKey, FlattenedEncrypt, flattenedDecrypt, importJWK } from "jose";
import { fail, parse } from "./failure.ts";
import { type SealedSecrets, type SealingKey, Secrets } from "./task.ts";

type Addressee = { taskId: string; generation: number };

function boundTo({ taskId, generation }: Addressee): Uint8Array {
  return new TextEncoder().encode(`${taskId}.${generation}`);
}

/** Seals secrets to an agent's key for one task and generation (JWE ECDH-ES, A256GCM; RFC 7516, RFC 7518 section 4.6). */
export async function sealSecrets(secrets: Secrets, agentKey: SealingKey, to: Addressee): Promise<SealedSecrets> {
  const sealed = await new FlattenedEncrypt(new TextEncoder().encode(JSON.stringify(secrets)))
    .setProtectedHeader({ alg: "ECDH-ES", enc: "A256GCM" })
    .setAdditionalAuthenticatedData(boundTo(to))
    .encrypt(await importJWK({ ...agentKey }, "ECDH-ES"));
  return sealed as SealedSecrets;
}

/** Opens sealed secrets. @throws {FailureError} `denied` when they were sealed for another key, task or generation. */
export async function openSecrets(sealed: SealedSecrets, key: CryptoKey, to: Addressee): Promise<Secrets> {
  const expected = Buffer.from(boundTo(to)).toString("base64url");
  if (sealed.aad !== expected) throw fail("denied", "The secrets were sealed for another task.");
  const opened = await flattenedDecrypt(sealed, key, {
    keyManagementAlgorithms: ["ECDH-ES"],
    contentEncryptionAlgorithms: ["A256GCM"],
  }).catch((cause: unknown) => {
    throw fail("denied", "The secrets were sealed for another agent.", { cause });
  });
  return parse(Secrets, JSON.parse(new TextDecoder().decode(opened.plaintext)), "secrets");
}
