// Mutual TLS between our own processes: names are URIs of ours, never host names, and a route pins the key as well.
import { createHash, createPublicKey, timingSafeEqual, X509Certificate } from "node:crypto";
import type { ConnectionOptions, PeerCertificate, TLSSocket, TlsOptions } from "node:tls";
import { certificateName, type KeySet, parseCertificateName, type Role } from "@gitspaces/contracts";

/** What a process proves itself with, and whom it believes. All PEM. */
export type TlsIdentity = {
  key: string;
  certificate: string;
  ca: string;
  installation: string;
  controlPlaneKeys: KeySet;
};

/** SHA-256 of the public key (SPKI DER) of a certificate or key, base64url. */
export function keyFingerprint(pem: string): string {
  const key = pem.includes("CERTIFICATE") ? new X509Certificate(pem).publicKey : createPublicKey(pem);
  return createHash("sha256")
    .update(key.export({ type: "spki", format: "der" }))
    .digest("base64url");
}

/** Options of a TLS 1.3 server that takes only callers with a certificate of this installation. */
export function serverTls(identity: TlsIdentity): TlsOptions {
  return {
    key: identity.key,
    cert: identity.certificate,
    ca: identity.ca,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: "TLSv1.3",
  };
}

type Expected = { role: Role; name?: string; keyFingerprint?: string };

/** Options of a TLS 1.3 client that talks to exactly this peer and nobody else. */
export function clientTls(identity: TlsIdentity, expected: Expected): ConnectionOptions {
  return {
    key: identity.key,
    cert: identity.certificate,
    ca: identity.ca,
    rejectUnauthorized: true,
    minVersion: "TLSv1.3",
    checkServerIdentity: (_host, certificate) => checkPeer(identity.installation, expected, certificate),
  };
}

function checkPeer(installation: string, expected: Expected, certificate: PeerCertificate): Error | undefined {
  const peer = nameIn(certificate.subjectaltname);
  if (peer === undefined || peer.installation !== installation || peer.role !== expected.role) {
    return new Error(`the peer is not a ${expected.role} of ${installation}`);
  }
  if (expected.name !== undefined && peer.name !== expected.name) {
    return new Error(`the peer is ${certificateName(installation, peer.role, peer.name)}, expected ${expected.name}`);
  }
  if (expected.keyFingerprint !== undefined && !samePin(certificate.raw, expected.keyFingerprint)) {
    return new Error("the peer's key is not the one on record");
  }
  return undefined;
}

function samePin(der: Buffer, pin: string): boolean {
  const actual = Buffer.from(keyFingerprint(new X509Certificate(der).toString()));
  const wanted = Buffer.from(pin);
  return actual.length === wanted.length && timingSafeEqual(actual, wanted);
}

/** Who is at the other end of an authorised socket, by its certificate. */
export function peerName(socket: TLSSocket): ReturnType<typeof parseCertificateName> {
  if (!socket.authorized) return undefined;
  return nameIn(socket.getPeerCertificate().subjectaltname);
}

/** A certificate with more than one name is nobody's. */
function nameIn(alternativeNames: string | undefined): ReturnType<typeof parseCertificateName> {
  const [, uri] = /^URI:([^,\s]+)$/.exec(alternativeNames ?? "") ?? [];
  return uri === undefined ? undefined : parseCertificateName(uri);
}
