import { exportJWK, generateKeyPair } from "jose";
import { beforeAll, expect, test } from "vitest";
import { openSecrets, sealSecrets } from "./sealing.ts";
import { SealedSecrets, SealingKey } from "./task.ts";

const secrets = { git: [{ host: "github.com", username: "oauth2", password: "hunter2-hunter2" }] };
const to = { taskId: "0190a0a0-0000-7000-8000-000000000000", generation: 3 };
const denied = { failure: { code: "denied" } };
type Keys = Awaited<ReturnType<typeof generateKeyPair>>;
let agent: Keys;
let agentKey: SealingKey;

beforeAll(async () => {
  agent = await generateKeyPair("ECDH-ES", { crv: "P-256" });
  const { kty, crv, x, y } = await exportJWK(agent.publicKey);
  agentKey = SealingKey.parse({ kty, crv, x, y });
});

test("sealed secrets are opened by their agent, and nothing of them is to be read before", async () => {
  const sealed = await sealSecrets(secrets, agentKey, to);
  expect(SealedSecrets.parse(JSON.parse(JSON.stringify(sealed)))).toEqual(sealed);
  expect(JSON.stringify(sealed)).not.toContain("hunter2");
  expect(await openSecrets(sealed, agent.privateKey, to)).toEqual(secrets);
});

test("the same secrets never look the same twice", async () => {
  const [first, second] = [await sealSecrets(secrets, agentKey, to), await sealSecrets(secrets, agentKey, to)];
  expect(first.ciphertext).not.toBe(second.ciphertext);
  expect(first.iv).not.toBe(second.iv);
});

test.each([
  ["task", { ...to, taskId: "0190a0a0-0000-7000-8000-000000000001" }],
  ["generation", { ...to, generation: 4 }],
])("secrets for one %s do not open for another, also when it is written over", async (_what, other) => {
  const sealed = await sealSecrets(secrets, agentKey, to);
  await expect(openSecrets(sealed, agent.privateKey, other)).rejects.toMatchObject(denied);
  const renamed = { ...sealed, aad: Buffer.from(`${other.taskId}.${other.generation}`).toString("base64url") };
  await expect(openSecrets(renamed, agent.privateKey, other)).rejects.toMatchObject(denied);
});

test("another agent's key does not open them", async () => {
  const other = await generateKeyPair("ECDH-ES", { crv: "P-256" });
  await expect(openSecrets(await sealSecrets(secrets, agentKey, to), other.privateKey, to)).rejects.toMatchObject(
    denied,
  );
});

test.each(["protected", "iv", "ciphertext", "tag"] as const)(
  "one flipped bit in %s and they do not open",
  async (part) => {
    const sealed = await sealSecrets(secrets, agentKey, to);
    const bytes = Buffer.from(sealed[part], "base64url");
    for (let bit = 0; bit < bytes.length * 8; bit += 29) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const changed = { ...sealed, [part]: flipped.toString("base64url") };
      await expect(openSecrets(changed, agent.privateKey, to), `${part} bit ${bit}`).rejects.toMatchObject(denied);
    }
  },
);
