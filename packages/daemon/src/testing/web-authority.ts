// A certificate authority of a test for what browsers and clients meet: certificates for host names.
// oxlint-disable-next-line import/no-unassigned-import -- the X.509 library needs it to be there first
import "reflect-metadata";
import { randomBytes, webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const HOUR_MS = 3_600_000;

/** PEM: a key (PKCS #8) and its certificate. */
export type WebCertificate = { key: string; certificate: string };
export type WebAuthority = {
  /** The authority's own certificate, PEM. */
  certificate: string;
  /** A certificate for DNS names, wildcards included; it is valid for an hour, or was until `notAfter`. */
  issue(names: readonly string[], notAfter?: number): Promise<WebCertificate>;
};

/** A new authority, believed by nobody. */
export async function makeWebAuthority(commonName = "Gitspaces test CA"): Promise<WebAuthority> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const name = `CN=${commonName}`;
  const own = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name,
    notBefore: new Date(Date.now() - 24 * HOUR_MS),
    notAfter: new Date(Date.now() + 24 * HOUR_MS),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    ],
  });
  return {
    certificate: `${own.toString("pem")}\n`,
    async issue(names, notAfter = Date.now() + HOUR_MS) {
      const leaf = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
      const made = await x509.X509CertificateGenerator.create({
        serialNumber: serial(),
        subject: `CN=${names[0] ?? ""}`,
        issuer: name,
        notBefore: new Date(Date.now() - 12 * HOUR_MS),
        notAfter: new Date(notAfter),
        publicKey: leaf.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: algorithm,
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
          new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
          new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: "dns", value }))),
        ],
      });
      const der = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", leaf.privateKey));
      return { certificate: `${made.toString("pem")}\n`, key: x509.PemConverter.encode(der, "PRIVATE KEY") };
    },
  };
}

function serial(): string {
  return `4${randomBytes(8).toString("hex").slice(1)}`;
}
