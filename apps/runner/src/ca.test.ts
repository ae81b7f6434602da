import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createHash, X509Certificate } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openCa } from "./ca.ts";

let folder: string;
beforeEach(() => void (folder = join(mkdtempSync(join(tmpdir(), "gs-ca-")), "ca")));
afterEach(() => rmSync(join(folder, ".."), { recursive: true, force: true }));

test("a CA is made once, its key for nobody else to read, its fingerprint for everyone", async () => {
  const first = await openCa(folder, "local-test", Date.now());
  const second = await openCa(folder, "local-test", Date.now());
  expect(second.certificate).toBe(first.certificate);
  expect(statSync(join(folder, "ca.key.pem")).mode & 0o777).toBe(0o600);
  const certificate = new X509Certificate(readFileSync(join(folder, "ca.cert.pem")));
  expect(certificate.ca).toBe(true);
  expect(certificate.publicKey.asymmetricKeyDetails?.namedCurve).toBe("prime256v1");
  expect(readFileSync(join(folder, "fingerprint"), "utf8").trim()).toBe(
    createHash("sha256").update(certificate.raw).digest("hex"),
  );
  expect(first.fingerprint).toMatch(/^[0-9a-f]{64}$/);
});

test("two runners that start at once on one folder have the same CA", async () => {
  const [first, second] = await Promise.all([
    openCa(folder, "local-test", Date.now()),
    openCa(folder, "local-test", Date.now()),
  ]);
  expect(first.certificate).toBe(second.certificate);
});

test("a key and a certificate that do not belong together are refused", async () => {
  await openCa(folder, "local-test", Date.now());
  const other = join(folder, "..", "other");
  await openCa(other, "local-test", Date.now());
  writeFileSync(join(folder, "ca.cert.pem"), readFileSync(join(other, "ca.cert.pem")));
  await expect(openCa(folder, "local-test", Date.now())).rejects.toMatchObject({ failure: { code: "bad_request" } });
});
