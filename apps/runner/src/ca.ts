// The installation's certificate authority: ECDSA P-256, kept in <data>/ca, names processes and nothing else.
// oxlint-disable-next-line import/no-unassigned-import -- the X.509 library needs it to be there first
import "reflect-metadata";
import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  webcrypto,
  X509Certificate,
} from "node:crypto";
import { chmodSync, existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { certificateName, fail, type Role } from "@gitspaces/contracts";
import * as x509 from "@peculiar/x509";

const crypto = webcrypto;
const algorithm = { name: "ECDSA", namedCurve: "P-256" };
const signing = { name: "ECDSA", hash: "SHA-256" };
const DAY_MS = 24 * 60 * 60 * 1_000;
/** Clocks of other machines may be behind: one that is wrong by an hour is tolerated, in either direction. */
const SKEW_MS = 3 * 60 * 60 * 1_000;
const CA_LIFE_MS = 10 * 365 * DAY_MS;
const CERTIFICATE_LIFE_MS = 7 * DAY_MS;

export type Ca = {
  /** PEM. */
  certificate: string;
  /** SHA-256 of the certificate (DER), hex. */
  fingerprint: string;
  /** A certificate (PEM) for this public key under `gs://<installation>/<role>/<name>`, valid 7 days from `now`. */
  issue(publicKey: webcrypto.CryptoKey, role: Role, name: string, now: number): Promise<string>;
  /** Whether this CA signed the certificate; says nothing of its time. */
  signed(certificate: X509Certificate): boolean;
};

/** The CA in `folder`, made on first use: `ca.key.pem` (0600), `ca.cert.pem`, and `fingerprint`, which other daemons wait for. */
export async function openCa(folder: string, installation: string, now: number): Promise<Ca> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const keyFile = join(folder, "ca.key.pem");
  const certificateFile = join(folder, "ca.cert.pem");
  if (!existsSync(keyFile)) writeOnce(keyFile, newKey(), 0o600);
  chmodSync(keyFile, 0o600);
  const key = createPrivateKey(readFileSync(keyFile));
  const keys = await importKeys(key);
  if (!existsSync(certificateFile)) writeOnce(certificateFile, await selfSigned(keys, installation, now), 0o644);
  const certificate = new X509Certificate(readFileSync(certificateFile));
  if (!certificate.checkPrivateKey(key))
    throw fail("bad_request", `${certificateFile} does not belong to ${keyFile}; restore the pair from a backup.`);
  const fingerprint = createHash("sha256").update(certificate.raw).digest("hex");
  tellFingerprint(join(folder, "fingerprint"), fingerprint);

  const authority = new x509.X509Certificate(certificate.raw);
  return {
    certificate: certificate.toString(),
    fingerprint,
    issue: async (publicKey, role, name, at) =>
      await issue(authority, keys, publicKey, { installation, role, name, now: at }),
    signed: (candidate) => candidate.checkIssued(certificate) && candidate.verify(certificate.publicKey),
  };
}

/** The public key of a PKCS #10 request (RFC 2986). @throws {FailureError} `bad_request` unless it is P-256 and signed by itself. */
export async function readCsr(
  pem: string,
): Promise<{ publicKey: webcrypto.CryptoKey; commonName: string; keyFingerprint: string }> {
  try {
    const request = new x509.Pkcs10CertificateRequest(pem);
    const { algorithm: stated } = request.publicKey;
    if (stated.name !== "ECDSA" || (stated as webcrypto.EcKeyAlgorithm).namedCurve !== "P-256")
      throw new Error("its key is not ECDSA P-256");
    const publicKey = await request.publicKey.export(algorithm, ["verify"], crypto);
    if (!(await request.verify(crypto))) throw new Error("its signature is not by its own key");
    const keyFingerprint = createHash("sha256").update(Buffer.from(request.publicKey.rawData)).digest("base64url");
    return { publicKey, commonName: request.subjectName.getField("CN")[0] ?? "", keyFingerprint };
  } catch (cause) {
    throw fail("bad_request", `The certificate request is not one: ${(cause as Error).message}.`, {
      field: "csr",
      cause,
    });
  }
}

function newKey(): string {
  return generateKeyPairSync("ec", { namedCurve: "P-256" })
    .privateKey.export({ type: "pkcs8", format: "pem" })
    .toString();
}

async function importKeys(key: KeyObject): Promise<webcrypto.CryptoKeyPair> {
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

/** Two runners may start at once on one folder: the first whole file stays, the other is dropped. */
function writeOnce(file: string, text: string, mode: number): void {
  const draft = `${file}.${randomBytes(6).toString("hex")}`;
  writeFileSync(draft, text, { mode, flush: true });
  try {
    linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(draft);
  }
}

/** Replaced in one step and only when it differs: other daemons may be reading it. */
function tellFingerprint(file: string, fingerprint: string): void {
  if (existsSync(file) && readFileSync(file, "utf8").trim() === fingerprint) return;
  const draft = `${file}.${randomBytes(6).toString("hex")}`;
  writeFileSync(draft, `${fingerprint}\n`, { mode: 0o644, flush: true });
  renameSync(draft, file);
}

/** Positive and 127 bits long (RFC 5280 section 4.1.2.2). */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString("hex");
}

async function selfSigned(keys: webcrypto.CryptoKeyPair, installation: string, now: number): Promise<string> {
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: serialNumber(),
      name: `CN=${installation} CA`,
      notBefore: new Date(now - SKEW_MS),
      notAfter: new Date(now + CA_LIFE_MS),
      signingAlgorithm: signing,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, crypto),
      ],
    },
    crypto,
  );
  return `${certificate.toString("pem")}\n`;
}

type Subject = { installation: string; role: Role; name: string; now: number };

async function issue(
  authority: x509.X509Certificate,
  keys: webcrypto.CryptoKeyPair,
  publicKey: webcrypto.CryptoKey,
  { installation, role, name, now }: Subject,
): Promise<string> {
  const { clientAuth, serverAuth } = x509.ExtendedKeyUsage;
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: serialNumber(),
      subject: `CN=${name}`,
      issuer: authority.subject,
      notBefore: new Date(now - SKEW_MS),
      notAfter: new Date(now + CERTIFICATE_LIFE_MS),
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
