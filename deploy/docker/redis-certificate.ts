// The certificate by which Redis is known to our daemons: its own authority, for the names it is reached by.
// oxlint-disable-next-line import/no-unassigned-import -- the X.509 library needs it to be there first
import "reflect-metadata";
import { X509Certificate, webcrypto } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import * as x509 from "@peculiar/x509";

const DAY_MS = 24 * 60 * 60 * 1_000;
const LIFE_MS = 10 * 365 * DAY_MS;
const RENEW_BEFORE_MS = 365 * DAY_MS;
const SKEW_MS = DAY_MS;

export type RedisCertificate = { key: string; certificate: string };

/** The pair in `folder` while it lasts and is for all of `names` (hosts or addresses), else a new one. PEM. */
export async function redisCertificate(folder: string, names: string[], now: number): Promise<RedisCertificate> {
  const present = read(folder);
  if (present !== undefined && suits(new X509Certificate(present.certificate), names, now)) return present;
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      name: "CN=gitspaces redis",
      notBefore: new Date(now - SKEW_MS),
      notAfter: new Date(now + LIFE_MS),
      signingAlgorithm: algorithm,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.SubjectAlternativeNameExtension(
          names.map((value) => ({ type: isIP(value) === 0 ? "dns" : "ip", value }) as const),
        ),
      ],
    },
    webcrypto,
  );
  const key = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey)).toString("base64");
  const lines = key.match(/.{1,64}/g) ?? [];
  return {
    key: ["-----BEGIN PRIVATE KEY-----", ...lines, "-----END PRIVATE KEY-----", ""].join("\n"),
    certificate: `${certificate.toString("pem")}\n`,
  };
}

function read(folder: string): RedisCertificate | undefined {
  const [keyFile, certificateFile] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
  if (!existsSync(keyFile) || !existsSync(certificateFile)) return undefined;
  return { key: readFileSync(keyFile, "utf8"), certificate: readFileSync(certificateFile, "utf8") };
}

function suits(certificate: X509Certificate, names: string[], now: number): boolean {
  const isFor = (name: string) =>
    (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) !== undefined;
  return names.every(isFor) && now < Date.parse(certificate.validTo) - RENEW_BEFORE_MS;
}
