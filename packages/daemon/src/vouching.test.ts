// oxlint-disable-next-line import/no-unassigned-import -- the X.509 library needs it to be there first
import "reflect-metadata";
import { createHash, webcrypto, X509Certificate } from "node:crypto";
import * as x509 from "@peculiar/x509";
import { expect, test } from "vitest";
import { certificatesIn, isVouchedFor } from "./vouching.ts";

const algorithm = { name: "ECDSA", namedCurve: "P-256" };
const signingAlgorithm = { name: "ECDSA", hash: "SHA-256" };
const HOUR_MS = 3_600_000;
const keys = async () => await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
type Wanted = { isCa?: boolean; from?: number; to?: number; subject?: string; issuer?: string };
let serial = 0x40;

/** A certificate of one key under another's signature. All authorities have one name, as those of an installation do. */
async function certify(of: webcrypto.CryptoKeyPair, by: webcrypto.CryptoKeyPair, wanted: Wanted = {}) {
  const { isCa = true, from = Date.now() - HOUR_MS, to = Date.now() + HOUR_MS } = wanted;
  const made = await x509.X509CertificateGenerator.create({
    serialNumber: (serial++).toString(16),
    subject: wanted.subject ?? "CN=local CA",
    issuer: wanted.issuer ?? "CN=local CA",
    notBefore: new Date(from),
    notAfter: new Date(to),
    signingAlgorithm,
    publicKey: of.publicKey,
    signingKey: by.privateKey,
    extensions: [new x509.BasicConstraintsExtension(isCa, undefined, true)],
  });
  return new X509Certificate(Buffer.from(made.rawData));
}
const [a, b, c, process] = [await keys(), await keys(), await keys(), await keys()];
const [first, second, third] = [await certify(a, a), await certify(b, b), await certify(c, c)];
const [toSecond, toThird] = [await certify(b, a), await certify(c, b)];
const leaf = await certify(process, c, { isCa: false, subject: "CN=runner" });
const pin = (certificate: X509Certificate) => ({
  fingerprint: createHash("sha256").update(certificate.raw).digest("hex"),
});
const known = (...certificates: X509Certificate[]) => ({ authorities: certificates.map(String).join("") });

test("an authority that is known vouches for what it signed, and for what its successors signed", () => {
  const shown = [third, toThird, second, toSecond, first];
  for (const authority of [first, second, third]) {
    expect(isVouchedFor(leaf, shown, pin(authority))).toBe(true);
    expect(isVouchedFor(leaf, shown.toReversed(), known(authority))).toBe(true);
  }
  expect(isVouchedFor(leaf, [], known(first, third))).toBe(true);
});

test.each<[string, () => Promise<X509Certificate[]>]>([
  ["a link is missing", async () => [third, toThird, second, first]],
  ["a link has ended", async () => [toThird, await certify(b, a, { to: Date.now() - 1_000 }), first]],
  ["a link has not begun", async () => [toThird, await certify(b, a, { from: Date.now() + 60_000 }), first]],
  ["a process is where an authority should be", async () => [toThird, await certify(b, a, { isCa: false }), first]],
  ["a link is an authority's of another name", async () => [toThird, await certify(b, a, { issuer: "CN=x" }), first]],
  ["a link vouches the other way round", async () => [third, await certify(a, c), first]],
  ["the authority itself is not shown", async () => [third, toThird, second, toSecond]],
])("nobody is believed when %s", async (_what, shown) => {
  expect(isVouchedFor(leaf, await shown(), pin(first))).toBe(false);
});

test("a certificate that is signed by nobody who is known is a stranger's, whatever stands beside it", async () => {
  const stranger = await certify(process, process, { subject: "CN=runner" });
  expect(isVouchedFor(stranger, [stranger, first, toSecond], pin(first))).toBe(false);
  expect(isVouchedFor(leaf, [leaf, third], { authorities: "" })).toBe(false);
  expect(certificatesIn(`text\n${String(first)}\n${String(second)}`).map(({ fingerprint }) => fingerprint)).toEqual([
    first.fingerprint,
    second.fingerprint,
  ]);
});
