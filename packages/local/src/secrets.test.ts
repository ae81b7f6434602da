import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KeySet } from "@gitspaces/contracts";
import { CompactSign, compactVerify, createLocalJWKSet, importJWK, type JWK } from "jose";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeSecrets, type SecretFiles } from "./secrets.ts";

let folder: string;
let secrets: SecretFiles;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "secrets-"));
  secrets = await makeSecrets(folder);
});
afterAll(() => rmSync(folder, { recursive: true }));

const read = (file: string) => readFileSync(file, "utf8").trim();

test("every secret has the form its reader asks for", () => {
  expect(read(secrets.adminToken)).toMatch(/^gsp_[A-Za-z0-9_-]{43}$/);
  expect(read(secrets.delegateToken)).toMatch(/^[0-9a-f]{32}$/);
  expect(read(secrets.secretsKey)).toMatch(/^[0-9a-f]{64}$/);
  expect(read(secrets.sessionKey)).toMatch(/^[0-9a-f]{64}$/);
  expect(read(secrets.gatewayEnrolToken).length).toBeGreaterThanOrEqual(32);
});

test("only their owner reads them", () => {
  expect(statSync(secrets.folder).mode & 0o777).toBe(0o700);
  for (const name of readdirSync(secrets.folder)) expect(statSync(join(secrets.folder, name)).mode & 0o777).toBe(0o600);
});

test("what the private key signs, the public set verifies, and the public set holds nothing private", async () => {
  const key = JSON.parse(read(secrets.signingKey)) as JWK & { kid: string };
  const keys = KeySet.parse(JSON.parse(read(secrets.controlPlaneKeys)));
  const jws = await new CompactSign(new TextEncoder().encode("hello"))
    .setProtectedHeader({ alg: "EdDSA", kid: key.kid })
    .sign(await importJWK(key, "EdDSA"));
  const { payload } = await compactVerify(jws, createLocalJWKSet(keys), { algorithms: ["EdDSA"] });
  expect(new TextDecoder().decode(payload)).toBe("hello");
  expect(keys.keys[0]).not.toHaveProperty("d");
});

test("a second time everything stays as it was", async () => {
  const before = readdirSync(secrets.folder).map((name) => read(join(secrets.folder, name)));
  await makeSecrets(folder);
  expect(readdirSync(secrets.folder).map((name) => read(join(secrets.folder, name)))).toEqual(before);
});
