// A certificate and its key as the gateway shows them to browsers: read, checked, and made ready for handshakes.
import { createPrivateKey, X509Certificate } from "node:crypto";
import { type SecureContext, createSecureContext } from "node:tls";
import { readFileSync } from "node:fs";
import { fail } from "@gitspaces/contracts";

/** Paths of PEM files; the certificate's holds the chain, the leaf first. */
export type PairFiles = { certificateFile: string; keyFile: string };
export type FrontPair = { leaf: X509Certificate; context: SecureContext; key: string; cert: string };

/** TLS 1.2 with suites that authenticate what they encrypt and keep past sessions secret; all of TLS 1.3's do. */
export const modernTls = {
  minVersion: "TLSv1.2",
  maxVersion: "TLSv1.3",
  ciphers: [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
  ].join(":"),
} as const;

/**
 * Reads a pair as it is on the disk now.
 * @throws {FailureError} `bad_request` when a file is missing or unreadable, when they do not belong together, or when the certificate is over.
 */
export function readPair({ certificateFile, keyFile }: PairFiles, now: number): FrontPair {
  const [cert, key] = [readText(certificateFile), readText(keyFile)];
  const leaf = understood(certificateFile, "a PEM certificate", () => new X509Certificate(cert));
  const privateKey = understood(keyFile, "a PEM private key without a passphrase", () => createPrivateKey(key));
  if (!leaf.checkPrivateKey(privateKey))
    throw fail("bad_request", `The key in ${keyFile} does not belong to the certificate in ${certificateFile}.`);
  if (Date.parse(leaf.validTo) <= now)
    throw fail("bad_request", `The certificate in ${certificateFile} was valid until ${leaf.validTo}. Renew it.`);
  const context = understood(certificateFile, "a certificate that TLS can use", () =>
    createSecureContext({ key, cert, ...modernTls }),
  );
  return { leaf, context, key, cert };
}

/** The pair that names a host, or else the first. */
export function pairFor<P extends Pick<FrontPair, "leaf">>(pairs: readonly P[], serverName: string): P | undefined {
  return pairs.find(({ leaf }) => leaf.checkHost(serverName) !== undefined) ?? pairs[0];
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? "error";
    throw fail("bad_request", `The file ${file} could not be read (${reason}).`, { cause });
  }
}

function understood<T>(file: string, what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw fail("bad_request", `The file ${file} should hold ${what}.`, { cause });
  }
}
