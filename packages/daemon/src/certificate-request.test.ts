import { execFileSync } from "node:child_process";
import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { expect, test } from "vitest";
import { makeCertificateRequest } from "./certificate-request.ts";

test.each(["vm-1", "x".repeat(200)])("OpenSSL reads the request for %s, and its signature is by its key", (name) => {
  const { privateKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  const input = makeCertificateRequest(privateKey, name);
  const openssl = (...args: string[]) => execFileSync("openssl", ["req", "-noout", ...args], { input, stdio: "pipe" });
  expect(openssl("-verify", "-subject", "-nameopt", "utf8").toString()).toBe(`subject=CN=${name}\n`);
  const carried = execFileSync("openssl", ["req", "-noout", "-pubkey"], { input }).toString();
  expect(carried).toBe(createPublicKey(privateKey).export({ type: "spki", format: "pem" }));
});
