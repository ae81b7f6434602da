// The installation's certificate authority, kept in <data>/ca: one that issues, and while it is being replaced another that is trusted.
// oxlint-disable-next-line import/no-unassigned-import -- the X.509 library needs it to be there first
import "reflect-metadata";
import { createHash, createPrivateKey, webcrypto, X509Certificate } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fail, type Role } from "@gitspaces/contracts";
import { failpoint } from "@gitspaces/daemon";
import * as x509 from "@peculiar/x509";
import {
  type Authority,
  fingerprintOf,
  importKeys,
  issueCertificate,
  linkTo,
  newKey,
  selfSigned,
} from "./ca/authority.ts";
import { announced, type CaRecord, dropped, readRecord, switched, writeRecord } from "./ca/record.ts";
import type { Step } from "./ca/step.ts";
import { tell, writeOnce } from "./ca/whole-file.ts";
import { CERTIFICATE_LIFE_MS } from "./certificate-life.ts";
import { caPoints } from "./failpoints.ts";

export type Ca = {
  /** PEM of the authority that issues. */
  readonly certificate: string;
  /** SHA-256 of that certificate (DER), hex. */
  readonly fingerprint: string;
  /** PEM of every authority to trust, the one that issues first. */
  readonly trusted: string;
  /** What is shown behind a certificate (PEM): whoever knows any authority of this installation finds its way from there. */
  readonly chain: string;
  readonly record: CaRecord;
  /** How long a certificate is valid, in milliseconds. */
  readonly lifeMs: number;
  /** A certificate (PEM) for this public key under `gs://<installation>/<role>/<name>`, valid for `lifeMs` from `now`. */
  issue(publicKey: webcrypto.CryptoKey, role: Role, name: string, now: number): Promise<string>;
  /** Whether an authority that is trusted signed the certificate; says nothing of its time. */
  signed(certificate: X509Certificate): boolean;
  /** The same of any authority there ever was. */
  everSigned(certificate: X509Certificate): boolean;
  /** Takes what other runners have changed; true when there was something. */
  look(): Promise<boolean>;
  /** Takes a step of a rotation that ends at `until` at the latest; false when another runner did. */
  take(step: Step, now: number, until: number): Promise<boolean>;
};

/**
 * The CA in `folder`, made on first use: `ca.key.pem` (0600), `ca.cert.pem`, and `fingerprint`, which other daemons wait for.
 * Later authorities have keys named by their fingerprint; `ca.cert.pem` and `fingerprint` are always those of the one that issues.
 */
export async function openCa(
  folder: string,
  installation: string,
  now: number,
  lifeMs = CERTIFICATE_LIFE_MS,
): Promise<Ca> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  let record = readRecord(folder) ?? (await firstRecord(folder, installation, now));
  let opened = await open(folder, record);

  const use = async (changed: CaRecord): Promise<void> => {
    opened = await open(folder, changed);
    record = changed;
  };
  const commit = async (step: Step, changed: CaRecord): Promise<boolean> => {
    if (!writeRecord(folder, changed)) return false;
    failpoint(caPoints[step]);
    await use(changed);
    return true;
  };
  return {
    get certificate() {
      return record.present.certificate;
    },
    get fingerprint() {
      return opened.fingerprint;
    },
    get trusted() {
      return opened.trusted;
    },
    get chain() {
      return opened.chain;
    },
    get record() {
      return record;
    },
    lifeMs,
    issue: async (publicKey, role, name, at) =>
      await issueCertificate(opened.present, publicKey, { installation, role, name, now: at, lifeMs }),
    signed: (candidate) => opened.believed.some((each) => isBy(each, candidate)),
    everSigned: (candidate) => opened.ever.some((each) => isBy(each, candidate)),
    async look() {
      const found = readRecord(folder);
      if (found === undefined || found.number === record.number) return false;
      await use(found);
      return true;
    },
    async take(step, at, until) {
      if (step === "switch") return await commit(step, switched(record, at, until));
      if (step === "drop") return await commit(step, dropped(record));
      const next = await makeNext(folder, installation, at, opened.present);
      return await commit(step, announced(record, { ...next, since: at, until }));
    },
  };
}

function isBy(authority: X509Certificate, candidate: X509Certificate): boolean {
  return candidate.checkIssued(authority) && candidate.verify(authority.publicKey);
}

/** The record of a CA that was never replaced: its pair of files. */
async function firstRecord(folder: string, installation: string, now: number): Promise<CaRecord> {
  const keyFile = join(folder, "ca.key.pem");
  const certificateFile = join(folder, "ca.cert.pem");
  if (!existsSync(keyFile)) writeOnce(keyFile, newKey(), 0o600);
  chmodSync(keyFile, 0o600);
  const keys = await importKeys(createPrivateKey(readFileSync(keyFile)));
  if (!existsSync(certificateFile)) writeOnce(certificateFile, await selfSigned(keys, installation, now), 0o644);
  const certificate = new X509Certificate(readFileSync(certificateFile)).toString();
  const present = { certificate, key: "ca.key.pem", link: null };
  return { number: 0, present, next: null, retiring: null, former: [] };
}

/** A next authority: its key is on the disk before anybody hears of it, and the present one vouches for it. */
async function makeNext(
  folder: string,
  installation: string,
  now: number,
  present: Authority,
): Promise<CaRecord["present"]> {
  const pem = newKey();
  const keys = await importKeys(createPrivateKey(pem));
  const certificate = await selfSigned(keys, installation, now);
  const key = `${fingerprintOf(new X509Certificate(certificate)).slice(0, 16)}.key.pem`;
  writeOnce(join(folder, key), pem, 0o600);
  failpoint(caPoints.key);
  return { certificate, key, link: await linkTo(new X509Certificate(certificate), present) };
}

async function open(folder: string, { present, next, retiring, former }: CaRecord) {
  const certificate = new X509Certificate(present.certificate);
  const key = createPrivateKey(readFileSync(join(folder, present.key)));
  if (!certificate.checkPrivateKey(key))
    throw fail(
      "bad_request",
      `The CA's certificate does not belong to ${join(folder, present.key)}; restore the folder from a backup.`,
    );
  const known = [present, next, retiring].filter((each) => each !== null);
  const ever = [...known, ...former];
  const fingerprint = fingerprintOf(certificate);
  tell(join(folder, "ca.cert.pem"), present.certificate);
  tell(join(folder, "fingerprint"), `${fingerprint}\n`);
  // What does not issue any more needs no key. Only keys that a record names are taken away: another may just be on its way into one.
  if (retiring !== null) rmSync(join(folder, retiring.key), { force: true });
  return {
    present: { certificate, keys: await importKeys(key) },
    fingerprint,
    trusted: known.map((each) => each.certificate).join(""),
    chain: ever.map((each) => each.certificate + (each.link ?? "")).join(""),
    believed: known.map((each) => new X509Certificate(each.certificate)),
    ever: ever.map((each) => new X509Certificate(each.certificate)),
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
    const publicKey = await request.publicKey.export({ name: "ECDSA", namedCurve: "P-256" }, ["verify"], webcrypto);
    if (!(await request.verify(webcrypto))) throw new Error("its signature is not by its own key");
    const keyFingerprint = createHash("sha256").update(Buffer.from(request.publicKey.rawData)).digest("base64url");
    return { publicKey, commonName: request.subjectName.getField("CN")[0] ?? "", keyFingerprint };
  } catch (cause) {
    throw fail("bad_request", `The certificate request is not one: ${(cause as Error).message}.`, {
      field: "csr",
      cause,
    });
  }
}
