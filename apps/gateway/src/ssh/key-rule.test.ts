// Whose key opens what, and how many may come.
import { generateKeyPairSync, sign } from "node:crypto";
import type { AccessDocument } from "@gitspaces/contracts";
import ssh2, { type PublicKeyAuthContext } from "ssh2";
import { expect, test } from "vitest";
import { isProven, keysFor, opens, recognise } from "./key-rule.ts";
import { Rooms } from "./rooms.ts";

const document = (gitspaceId: string, sshKeys: string[], more: Partial<AccessDocument> = {}): AccessDocument => ({
  gitspaceId,
  version: 1,
  name: gitspaceId,
  state: "running",
  generation: 1,
  owner: "ada",
  organisation: "engine",
  ports: { "8022": "public" },
  sshKeys,
  ...more,
});
const all = [
  document("hello-k3v9x2", ["ssh-ed25519 AAAA ada@laptop", "ssh-rsa BBBB"]),
  document("other-a1b2c3", ["ssh-ed25519 CCCC"], { owner: "bob" }),
];
const access = {
  find: (id: string) => all.find(({ gitspaceId }) => gitspaceId === id),
  isSshKey: (key: string) => all.some((each) => opens(each, key)),
};

test("only an owner's key opens a Gitspace, whatever its ports are open to; nothing opens one that is deleted", () => {
  expect([opens(all[0], "AAAA"), opens(all[0], "BBBB"), opens(all[0], "CCCC"), opens(all[0], "")]).toEqual([
    true,
    true,
    false,
    false,
  ]);
  expect(opens(document("gone-000000", ["ssh-rsa BBBB"], { state: "deleted" }), "BBBB")).toBe(false);
  expect(opens(undefined, "AAAA")).toBe(false);
});

test("a key is recognised under its Gitspace's name for a session, under any other name for jumps alone", () => {
  expect(recognise(access, "hello-k3v9x2", "AAAA")?.gitspaceId).toBe("hello-k3v9x2");
  expect(recognise(access, "other-a1b2c3", "AAAA")).toEqual({
    key: "AAAA",
    login: "other-a1b2c3",
    gitspaceId: undefined,
  });
  expect(recognise(access, "whoever", "CCCC")?.gitspaceId).toBeUndefined();
  expect(recognise(access, "hello-k3v9x2", "DDDD")).toBeUndefined();
});

test("an RSA key proves nothing by SHA-1, whatever algorithm its holder names", () => {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
  const parsed = ssh2.utils.parseKey(privateKey.export({ format: "pem", type: "pkcs1" }));
  if (parsed instanceof Error) throw parsed;
  const blob = Buffer.from("what a client signs");
  const proof = (algo: string, hash: string, hashAlgo?: string): boolean =>
    isProven({
      key: { algo, data: parsed.getPublicSSH() },
      signature: sign(hash, blob, privateKey),
      blob,
      hashAlgo,
    } as unknown as PublicKeyAuthContext);
  expect([proof("ssh-rsa", "sha256", "sha256"), proof("ssh-rsa", "sha512", "sha512")]).toEqual([true, true]);
  expect([proof("ssh-rsa", "sha1"), proof("ssh-ed25519", "sha1"), proof("ssh-anything", "sha1")]).toEqual([
    false,
    false,
    false,
  ]);
});

test("the agent is told the key in use first, without comments, and no more than a header holds", () => {
  const many = Array.from({ length: 50 }, (_, index) => `ssh-rsa ${String(index).padStart(740, "A")} somebody`);
  const keys = keysFor(document("many-000000", [...many, "ssh-ed25519 AAAA last"]), "AAAA");
  expect(keys[0]).toBe("ssh-ed25519 AAAA");
  expect(Buffer.from(keys.join("\n")).toString("base64").length).toBeLessThan(8 * 1024);
  expect(keys.length).toBeGreaterThan(5);
});

test("a full room takes nobody, and a place that is left is free, once", () => {
  const rooms = new Rooms(2);
  const first = rooms.take("a");
  rooms.take("a");
  expect(() => rooms.take("a")).toThrow("There are 2 SSH connections already.");
  rooms.take("b");
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  rooms.take("a");
  expect(() => rooms.take("a")).toThrow("There are 2 SSH connections already.");
});
