// Who renews the gateway's certificate: the current process. The others read what it wrote, so that their tunnels go on.
import { readFileSync } from "node:fs";
import { EnrolAnswer } from "@gitspaces/contracts";
import type { Logger } from "@gitspaces/daemon";
import type { TlsIdentity } from "@gitspaces/daemon/certificates";

const LOOK_MS = 15_000;

type Following = {
  certificateFile: string;
  identity: TlsIdentity;
  onRenewed: (identity: TlsIdentity) => void;
  log: Logger;
  lookMs?: number;
};

/** Looks at the certificate's file until disposed; hands each new one to `onRenewed`. */
export function followCertificate(following: Following): Disposable {
  const { certificateFile, identity, onRenewed, log, lookMs = LOOK_MS } = following;
  let present = identity.certificate;
  const look = (): void => {
    try {
      const answer = EnrolAnswer.parse(JSON.parse(readFileSync(certificateFile, "utf8")));
      if (answer.certificate === present) return;
      present = answer.certificate;
      onRenewed({ key: identity.key, ...answer });
      log.info("certificate taken over");
    } catch (err) {
      log.warn({ err, certificateFile }, "the certificate's file could not be read");
    }
  };
  const timer = setInterval(look, lookMs);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

type Ways = { keep: () => AsyncDisposable; follow: () => Disposable };

/** Follows the certificate, or keeps it renewed, as this process's place is. */
export class CertificateWays implements AsyncDisposable {
  readonly #ways: Ways;
  #present: AsyncDisposable | Disposable;
  #isOver = false;

  constructor(ways: Ways) {
    this.#ways = ways;
    this.#present = ways.follow();
  }

  async keep(): Promise<void> {
    await this.#end();
    if (!this.#isOver) this.#present = this.#ways.keep();
  }

  async follow(): Promise<void> {
    await this.#end();
    if (!this.#isOver) this.#present = this.#ways.follow();
  }

  async #end(): Promise<void> {
    const present = this.#present;
    if (Symbol.asyncDispose in present) await present[Symbol.asyncDispose]();
    else present[Symbol.dispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await this.#end();
  }
}
