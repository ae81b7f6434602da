import { exportJWK, generateKeyPair } from "jose";
import { beforeAll, expect, test } from "vitest";
import type { GitspaceTask } from "./task.ts";
import { signTask, type Unsigned, verifyTask } from "./signing.ts";

type Keys = Awaited<ReturnType<typeof generateKeyPair>>;
let keys: Keys;
let published: { keys: Awaited<ReturnType<typeof exportJWK>>[] };
const task = {
  v: 1,
  id: "0190a0a0-0000-7000-8000-000000000000",
  gitspaceId: "hello-k3v9x2",
  generation: 3,
  deadline: 1_900_000_000_000,
  type: "gitspace.remove",
  data: { deleteData: false },
} satisfies Unsigned<GitspaceTask>;
const denied = { failure: { code: "denied" } };

beforeAll(async () => {
  keys = await generateKeyPair("EdDSA", { crv: "Ed25519" });
  published = { keys: [{ ...(await exportJWK(keys.publicKey)), kid: "one", alg: "EdDSA" }] };
});

test("a signed task is believed, also after a journey as JSON with its keys in another order", async () => {
  const signed = await signTask(task, keys.privateKey, "one");
  await expect(verifyTask(signed, published)).resolves.toBeUndefined();
  const travelled = JSON.parse(JSON.stringify(Object.fromEntries(Object.entries(signed).toReversed()))) as GitspaceTask;
  await expect(verifyTask(travelled, published)).resolves.toBeUndefined();
});

test.each<[string, Partial<GitspaceTask>]>([
  ["Gitspace", { gitspaceId: "other-k3v9x2" }],
  ["generation", { generation: 4 }],
  ["deadline", { deadline: 1_900_000_000_001 }],
  ["id", { id: "0190a0a0-0000-7000-8000-000000000001" }],
  ["data", { data: { deleteData: true } }],
])("a task whose %s was changed is denied", async (_what, change) => {
  const signed = await signTask(task, keys.privateKey, "one");
  await expect(verifyTask({ ...signed, ...change } as GitspaceTask, published)).rejects.toMatchObject(denied);
});

test("a task of one type does not pass as another with the same data", async () => {
  const { data: _, ...rest } = task;
  const stop = await signTask({ ...rest, type: "gitspace.stop", data: {} }, keys.privateKey, "one");
  await expect(verifyTask({ ...stop, type: "gitspace.status" }, published)).rejects.toMatchObject(denied);
});

test("one flipped bit anywhere in the signature is denied", async () => {
  const signed = await signTask(task, keys.privateKey, "one");
  const [header = "", payload = "", signature = ""] = signed.signature.split(".");
  for (const part of [0, 1, 2]) {
    const bytes = Buffer.from([header, payload, signature][part] ?? "", "base64url");
    for (let bit = 0; bit < bytes.length * 8; bit += 37) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const parts = [header, payload, signature].map((text, index) =>
        index === part ? flipped.toString("base64url") : text,
      );
      await expect(
        verifyTask({ ...signed, signature: parts.join(".") }, published),
        `part ${part} bit ${bit}`,
      ).rejects.toMatchObject(denied);
    }
  }
});

test("another key's signature is denied, also under our key's name", async () => {
  const other = await generateKeyPair("EdDSA", { crv: "Ed25519" });
  await expect(verifyTask(await signTask(task, other.privateKey, "one"), published)).rejects.toMatchObject(denied);
  await expect(verifyTask(await signTask(task, other.privateKey, "two"), published)).rejects.toMatchObject(denied);
});

test("no signature, and one that says it needs none, are denied", async () => {
  const none = Buffer.from(JSON.stringify({ alg: "none", typ: "gitspaces-task+jws" })).toString("base64url");
  const signed = await signTask(task, keys.privateKey, "one");
  const payload = signed.signature.split(".")[1] ?? "";
  for (const signature of ["", "a.b.c", `${none}.${payload}.`]) {
    await expect(verifyTask({ ...signed, signature }, published)).rejects.toMatchObject(denied);
  }
});
