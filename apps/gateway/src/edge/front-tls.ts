// TLS towards browsers: pairs from files, looked at again and again, so that a renewed certificate needs no restart.
import { statSync } from "node:fs";
import type { ServerOptions } from "node:https";
import { constants } from "node:crypto";
import type { SecureContextOptions } from "node:tls";
import { fail, toFailure } from "@gitspaces/contracts";
import type { Clock, Logger } from "@gitspaces/daemon";
import { type FrontPair, modernTls, type PairFiles, pairFor, readPair } from "./front-pair.ts";

const LOOK_MS = 2_000;
/** A handshake that takes longer is not a browser's. */
const HANDSHAKE_MS = 10_000;

export type FrontTls = Disposable & {
  /** For `https.createServer`. */
  options: ServerOptions;
  /** Called with what is shown to whoever names no host, whenever that changes. */
  onRenewed: (take: (shown: SecureContextOptions) => void) => void;
  /** @throws {Error} when a certificate in use is over. */
  check(): void;
};
type Options = { files: readonly PairFiles[]; clock: Clock; log: Logger; lookMs?: number };

/** Pairs of files from two lists of equal length. @throws {FailureError} `bad_request` when they are not. */
export function pairFiles(certificateFiles: readonly string[], keyFiles: readonly string[]): PairFiles[] {
  if (certificateFiles.length !== keyFiles.length) {
    throw fail(
      "bad_request",
      "GITSPACES_TLS_CERTIFICATE_FILE and GITSPACES_TLS_KEY_FILE should name equally many files, in the same order.",
      { field: "tlsKeyFile" },
    );
  }
  return certificateFiles.map((certificateFile, index) => ({ certificateFile, keyFile: keyFiles[index] ?? "" }));
}

/**
 * Reads every pair and keeps looking for new ones. A pair that changed and cannot be used is reported, and the old one stays.
 * @throws {FailureError} `bad_request` when one cannot be used at the start.
 */
export function openFrontTls({ files, clock, log, lookMs = LOOK_MS }: Options): FrontTls {
  const seen = files.map((pair) => stampOf(pair));
  const read = [...seen];
  const pairs: FrontPair[] = files.map((pair) => readPair(pair, clock.now()));
  const takers: ((shown: SecureContextOptions) => void)[] = [];

  function look(): void {
    for (const [at, pair] of files.entries()) {
      const stamp = stampOf(pair);
      const isStill = stamp === seen[at];
      seen[at] = stamp;
      // Certificate and key are written one after the other: what changed since the last look may be half of it.
      if (isStill && stamp !== read[at]) {
        read[at] = stamp;
        renew(at, pair);
      }
    }
  }

  function renew(at: number, pair: PairFiles): void {
    try {
      const renewed = readPair(pair, clock.now());
      pairs[at] = renewed;
      log.info({ file: pair.certificateFile, validTo: renewed.leaf.validTo }, "a renewed certificate is in use");
      if (at === 0) for (const take of takers) take({ key: renewed.key, cert: renewed.cert, ...modernTls });
    } catch (error) {
      const file = pair.certificateFile;
      log.error({ file, reason: toFailure(error).message }, "a new certificate cannot be used; the old one stays");
    }
  }

  const looking = setInterval(look, lookMs);
  looking.unref();
  const [first] = pairs;
  return {
    options: {
      ...modernTls,
      ...(first === undefined ? {} : { key: first.key, cert: first.cert }),
      ALPNProtocols: ["http/1.1"],
      SNICallback: (serverName, done) => done(null, pairFor(pairs, serverName)?.context),
      handshakeTimeout: HANDSHAKE_MS,
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    },
    onRenewed: (take) => void takers.push(take),
    check() {
      const over = pairs.find(({ leaf }) => Date.parse(leaf.validTo) <= clock.now());
      if (over !== undefined)
        throw new Error(`the certificate of ${over.leaf.subject} was valid until ${over.leaf.validTo}; renew its file`);
    },
    [Symbol.dispose]: () => clearInterval(looking),
  };
}

/** What tells one content of a pair's files from the next; a replaced link or file has another inode. */
function stampOf({ certificateFile, keyFile }: PairFiles): string {
  return [certificateFile, keyFile]
    .map((file) => {
      try {
        const { ino, size, mtimeMs } = statSync(file);
        return `${ino}:${size}:${mtimeMs}`;
      } catch (error) {
        return (error as NodeJS.ErrnoException).code ?? "error";
      }
    })
    .join(" ");
}
