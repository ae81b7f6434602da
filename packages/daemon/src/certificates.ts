// A process's certificate: its key is made here and never leaves; enrolled once with a token, renewed while it lives.
import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type EnrolAnswer,
  EnrolAnswer as EnrolAnswerSchema,
  parseCertificateName,
  type Role,
} from "@gitspaces/contracts";
import { makeCertificateRequest } from "./certificate-request.ts";
import { postEnrolment } from "./enrolment-request.ts";
import type { Logger } from "./log.ts";
import { keyFingerprint, type TlsIdentity } from "./tls.ts";

export * from "./certificate-gauge.ts";
export * from "./retired-agent.ts";
export * from "./tls.ts";

export type Enrolment = {
  enrolUrl: string;
  /** SHA-256 of the CA certificate (DER), hex. */
  caFingerprint: string;
  token: string;
  name: string;
  role: Role;
  keyFile: string;
  /** Holds the last enrolment answer: certificate, CA and the control plane's keys. */
  certificateFile: string;
  signal: AbortSignal;
};

/** A PKCS #10 request (RFC 2986) for a P-256 key in PEM, signed by it; `name` is its common name. */
export function makeCsr(keyPem: string, name = "gitspaces"): string {
  return makeCertificateRequest(keyPem, name);
}

/** The key at `keyFile`, made (P-256, 0600) when there is none. */
export function loadOrMakeKey(keyFile: string): string {
  try {
    return readFileSync(keyFile, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const { privateKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  mkdirSync(dirname(keyFile), { recursive: true, mode: 0o700 });
  writeFileSync(draftOf(keyFile), privateKey, { mode: 0o600, flush: true });
  renameSync(draftOf(keyFile), keyFile);
  return privateKey;
}

/** Two processes write here while one takes over from the other. */
function draftOf(file: string): string {
  return `${file}.${process.pid}.new`;
}

/** What was enrolled before, if it is this process's: also past its end, since an expired certificate can still be renewed. */
function stored(enrolment: Enrolment, key: string): TlsIdentity | undefined {
  try {
    const answer = EnrolAnswerSchema.parse(JSON.parse(readFileSync(enrolment.certificateFile, "utf8")));
    const certificate = new X509Certificate(answer.certificate);
    const named = parseCertificateName((certificate.subjectAltName ?? "").replace(/^URI:/, ""));
    const ours =
      named?.role === enrolment.role &&
      named.name === enrolment.name &&
      keyFingerprint(answer.certificate) === keyFingerprint(key);
    return ours ? { key, ...answer } : undefined;
  } catch {
    return undefined;
  }
}

function expired(identity: TlsIdentity): boolean {
  return Date.parse(new X509Certificate(identity.certificate).validTo) < Date.now() + 60_000;
}

/**
 * This process's identity: the stored certificate while it is valid, renewed when it is not, else a new one for the token.
 * @throws {FailureError} the enrolment listener's failure, such as `denied` for a token that was used.
 */
export async function enrol(enrolment: Enrolment): Promise<TlsIdentity> {
  const key = loadOrMakeKey(enrolment.keyFile);
  const present = stored(enrolment, key);
  if (present === undefined) return await join(enrolment, key);
  return expired(present) ? await renewOrJoin(enrolment, present) : present;
}

/** Renews, also past the end. Who may not any more, such as a delegate that was away for long, joins by its token if it has one. */
async function renewOrJoin(enrolment: Enrolment, present: TlsIdentity): Promise<TlsIdentity> {
  try {
    return await renew(enrolment, present);
  } catch (error) {
    if (enrolment.token === "" || !expired(present) || enrolment.signal.aborted) throw error;
    return await join(enrolment, present.key);
  }
}

async function join(enrolment: Enrolment, key: string): Promise<TlsIdentity> {
  const csr = makeCsr(key, enrolment.name);
  const url = new URL("/enrol", enrolment.enrolUrl);
  const body = { token: enrolment.token, csr };
  return await keep(enrolment, key, await postEnrolment(url, enrolment.caFingerprint, body, enrolment.signal));
}

/** Beside everything else: a process that renews has work to do, and a disk may take seconds to confirm. */
async function keep(enrolment: Enrolment, key: string, answer: EnrolAnswer): Promise<TlsIdentity> {
  const file = enrolment.certificateFile;
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeFile(draftOf(file), `${JSON.stringify(answer)}\n`, { mode: 0o600, flush: true });
  await rename(draftOf(file), file);
  return { key, ...answer };
}

async function renew(enrolment: Enrolment, identity: TlsIdentity): Promise<TlsIdentity> {
  const csr = makeCsr(identity.key, enrolment.name);
  const body = { csr, certificate: identity.certificate };
  return await keep(
    enrolment,
    identity.key,
    // The pin is for the first time: it may name a CA that has been replaced and is believed no more.
    await postEnrolment(new URL("/renew", enrolment.enrolUrl), { authorities: identity.ca }, body, enrolment.signal),
  );
}

/** When a certificate is due: two thirds of its life, in milliseconds since the epoch. */
export function renewalTime(certificatePem: string): number {
  const { validFrom, validTo } = new X509Certificate(certificatePem);
  return Date.parse(validFrom) + ((Date.parse(validTo) - Date.parse(validFrom)) * 2) / 3;
}

type Keeping = Omit<Enrolment, "token"> & {
  /** For a process whose token is good for more than one use. */
  token?: string;
  identity: TlsIdentity;
  onRenewed: (identity: TlsIdentity) => void;
  log: Logger;
};
const LONGEST_RETRY_MS = 60_000;
const SHORTEST_RETRY_MS = 1_000;
const LONGEST_NAP_MS = 60_000;

/** How long to sleep before looking at the clock again: a VM that was suspended wakes with timers that know nothing of it. */
export function napMs(dueAt: number, now: number): number {
  return Math.min(Math.max(0, dueAt - now), LONGEST_NAP_MS);
}

/** How long to wait before asking again: a twentieth of the certificate's life, between a second and a minute. */
export function retryMs(certificatePem: string): number {
  const { validFrom, validTo } = new X509Certificate(certificatePem);
  const lifeMs = Date.parse(validTo) - Date.parse(validFrom);
  return Math.min(LONGEST_RETRY_MS, Math.max(SHORTEST_RETRY_MS, lifeMs / 20));
}

/** Renews the certificate for as long as the process lives; hands each new one to `onRenewed`. */
export function keepCertificate({ identity, onRenewed, log, token = "", ...enrolment }: Keeping): AsyncDisposable {
  const stop = new AbortController();
  const signal = AbortSignal.any([enrolment.signal, stop.signal]);
  const whole = { ...enrolment, token, signal };
  const loop = (async () => {
    for (let present = identity, dueAt = renewalTime(identity.certificate); ; ) {
      await sleep(napMs(dueAt, Date.now()), undefined, { signal, ref: false });
      if (Date.now() < dueAt) continue;
      try {
        present = await renewOrJoin(whole, present);
        // Also a new one may be due at once, if clocks differ much: the listener is not asked in a circle.
        dueAt = Math.max(renewalTime(present.certificate), Date.now() + retryMs(present.certificate));
        onRenewed(present);
        log.info({ until: new X509Certificate(present.certificate).validTo }, "certificate renewed");
      } catch (err) {
        signal.throwIfAborted();
        log.warn({ err }, "certificate could not be renewed, trying again");
        dueAt = Date.now() + retryMs(present.certificate);
      }
    }
  })().catch((error: unknown) => {
    if (!signal.aborted) log.error({ err: error }, "certificates are no longer renewed");
  });
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await loop;
    },
  };
}
