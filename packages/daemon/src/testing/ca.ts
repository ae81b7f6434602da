// A small certificate authority for tests, and a server that holds out whatever chain it is told to.
// oxlint-disable-next-line import/no-unassigned-import -- the X.509 library needs it to be there first
import "reflect-metadata";
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, webcrypto } from "node:crypto";
import { certificateName, type Role } from "@gitspaces/contracts";
import * as x509 from "@peculiar/x509";
import type { TlsIdentity } from "../tls.ts";

export const { Pkcs10CertificateRequest } = x509;

const algorithm = { name: "ECDSA", namedCurve: "P-256" };
const signingAlgorithm = { name: "ECDSA", hash: "SHA-256" };
const DAY_MS = 24 * 60 * 60 * 1_000;

export type Leaf = {
  role?: Role;
  name?: string;
  installation?: string;
  /** Instead of the one name: as many as are given. */
  uris?: string[];
  /** Milliseconds since the epoch. */
  from?: number;
  to?: number;
  /** PEM; a new one is made when there is none. */
  key?: string;
  /** SPKI DER, for a key that only its owner has. */
  publicKey?: Buffer;
};

export type TestCa = {
  /** PEM. */
  certificate: string;
  /** SHA-256 of the certificate's DER, hex. */
  fingerprint: string;
  issue(leaf?: Leaf): Promise<TlsIdentity>;
};

export function newKey(): string {
  return generateKeyPairSync("ec", { namedCurve: "P-256" })
    .privateKey.export({ type: "pkcs8", format: "pem" })
    .toString();
}

/** A CA whose name is always the same: only its key tells it from another. */
export async function makeCa(): Promise<TestCa> {
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const keys = {
    privateKey: await webcrypto.subtle.importKey("pkcs8", der(pair.privateKey, "pkcs8"), algorithm, false, ["sign"]),
    publicKey: await webcrypto.subtle.importKey("spki", der(pair.publicKey, "spki"), algorithm, true, ["verify"]),
  };
  const validity = { notBefore: new Date(Date.now() - DAY_MS), notAfter: new Date(Date.now() + DAY_MS) };
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: "CN=test CA",
    ...validity,
    signingAlgorithm,
    keys,
    extensions: [new x509.BasicConstraintsExtension(true, 0, true)],
  });
  const ca = `${authority.toString("pem")}\n`;
  return {
    certificate: ca,
    fingerprint: createHash("sha256").update(Buffer.from(authority.rawData)).digest("hex"),
    async issue({ role = "runner", name = "one", installation = "local-test", ...leaf } = {}) {
      const key = leaf.key ?? newKey();
      const spki = leaf.publicKey ?? der(createPublicKey(key), "spki");
      const uris = leaf.uris ?? [certificateName(installation, role, name)];
      const certificate = await x509.X509CertificateGenerator.create({
        serialNumber: serial(),
        subject: `CN=${name}`,
        issuer: authority.subject,
        notBefore: new Date(leaf.from ?? Date.now() - 60_000),
        notAfter: new Date(leaf.to ?? Date.now() + DAY_MS),
        signingAlgorithm,
        publicKey: await webcrypto.subtle.importKey("spki", spki, algorithm, true, ["verify"]),
        signingKey: keys.privateKey,
        extensions: [new x509.SubjectAlternativeNameExtension(uris.map((value) => ({ type: "url", value })))],
      });
      const pem = `${certificate.toString("pem")}\n`;
      return { key, certificate: pem, ca, installation, controlPlaneKeys: { keys: [] } };
    },
  };
}

function der(key: KeyObject, type: "pkcs8" | "spki"): Buffer<ArrayBuffer> {
  return Buffer.from(key.export({ type, format: "der" } as { type: "spki"; format: "der" }));
}

function serial(): string {
  return `4${randomBytes(8).toString("hex").slice(1)}`;
}
