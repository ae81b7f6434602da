// One certificate authority of an installation (ECDSA P-256): its key, the certificates it issues, and its word for a successor.
// oxlint-disable-next-line import/no-unassigned-import -- the X.509 library needs it to be there first
import "reflect-metadata";
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, webcrypto, X509Certificate } from "node:crypto";
import { certificateName, type Role } from "@gitspaces/contracts";
import * as x509 from "@peculiar/x509";

const crypto = webcrypto;
const algorithm = { name: "ECDSA", namedCurve: "P-256" };
const signing = { name: "ECDSA", hash: "SHA-256" };
const DAY_MS = 24 * 60 * 60 * 1_000;
/** Clocks of other machines may be behind: one that is wrong by an hour is tolerated, in either direction. */
export const SKEW_MS = 3 * 60 * 60 * 1_000;
const AUTHORITY_LIFE_MS = 10 * 365 * DAY_MS;

export type Authority = { certificate: X509Certificate; keys: webcrypto.CryptoKeyPair };

/** A new P-256 key, PKCS #8 in PEM. */
export function newKey(): string {
  return generateKeyPairSync("ec", { namedCurve: "P-256" })
    .privateKey.export({ type: "pkcs8", format: "pem" })
    .toString();
}

/** The key pair of a private key, for signing. */
export async function importKeys(key: KeyObject): Promise<webcrypto.CryptoKeyPair> {
  const { d: _, ...publicJwk } = key.export({ format: "jwk" });
  return {
    privateKey: await crypto.subtle.importKey(
      "jwk",
      key.export({ format: "jwk" }) as webcrypto.JsonWebKey,
      algorithm,
      false,
      ["sign"],
    ),
    publicKey: await crypto.subtle.importKey("jwk", publicJwk as webcrypto.JsonWebKey, algorithm, true, ["verify"]),
  };
}

/** SHA-256 of a certificate (DER), hex. */
export function fingerprintOf(certificate: X509Certificate): string {
  return createHash("sha256").update(certificate.raw).digest("hex");
}

/** Every authority of an installation has this name; their keys tell them apart. */
const nameOf = (installation: string): string => `CN=${installation} CA`;

/** An authority's own certificate (PEM), for ten years. */
export async function selfSigned(keys: webcrypto.CryptoKeyPair, installation: string, now: number): Promise<string> {
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: serialNumber(),
      name: nameOf(installation),
      notBefore: new Date(now - SKEW_MS),
      notAfter: new Date(now + AUTHORITY_LIFE_MS),
      signingAlgorithm: signing,
      keys,
      extensions: await authorityExtensions(keys.publicKey),
    },
    crypto,
  );
  return `${certificate.toString("pem")}\n`;
}

/**
 * A link (PEM): the successor's key under the authority's signature. Who knows nothing but the authority believes the successor by it.
 * It names no issuer's key, so that a peer which sorts a chain by names passes it on whatever comes before it.
 */
export async function linkTo(successor: X509Certificate, { certificate, keys }: Authority): Promise<string> {
  const next = new x509.X509Certificate(successor.raw);
  const publicKey = await next.publicKey.export(algorithm, ["verify"], crypto);
  const link = await x509.X509CertificateGenerator.create(
    {
      serialNumber: serialNumber(),
      subject: next.subject,
      issuer: new x509.X509Certificate(certificate.raw).subject,
      notBefore: next.notBefore,
      notAfter: next.notAfter,
      signingAlgorithm: signing,
      publicKey,
      signingKey: keys.privateKey,
      extensions: await authorityExtensions(publicKey),
    },
    crypto,
  );
  return `${link.toString("pem")}\n`;
}

async function authorityExtensions(publicKey: webcrypto.CryptoKey): Promise<x509.Extension[]> {
  return [
    new x509.BasicConstraintsExtension(true, 0, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    await x509.SubjectKeyIdentifierExtension.create(publicKey, false, crypto),
  ];
}

/** Positive and 127 bits long (RFC 5280 section 4.1.2.2). */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString("hex");
}

type Subject = { installation: string; role: Role; name: string; now: number; lifeMs: number };

/** A certificate (PEM) for this public key. One of a short life does not reach further into the past than into the future. */
export async function issueCertificate(
  { certificate: issuer, keys }: Authority,
  publicKey: webcrypto.CryptoKey,
  { installation, role, name, now, lifeMs }: Subject,
): Promise<string> {
  const authority = new x509.X509Certificate(issuer.raw);
  const { clientAuth, serverAuth } = x509.ExtendedKeyUsage;
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: serialNumber(),
      subject: `CN=${name}`,
      issuer: authority.subject,
      notBefore: new Date(now - Math.min(SKEW_MS, lifeMs)),
      notAfter: new Date(now + lifeMs),
      signingAlgorithm: signing,
      publicKey,
      signingKey: keys.privateKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([clientAuth, serverAuth]),
        new x509.SubjectAlternativeNameExtension([{ type: "url", value: certificateName(installation, role, name) }]),
        await x509.AuthorityKeyIdentifierExtension.create(authority, false, crypto),
        await x509.SubjectKeyIdentifierExtension.create(publicKey, false, crypto),
      ],
    },
    crypto,
  );
  return `${certificate.toString("pem")}\n`;
}
