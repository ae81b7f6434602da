// The runner's own certificate: issued by itself, in memory, renewed before it ends and whenever the CA changes.
import { generateKeyPairSync, webcrypto } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Clock, Logger } from "@gitspaces/daemon";
import { renewalTime, type TlsIdentity } from "@gitspaces/daemon/certificates";
import type { Ca } from "./ca.ts";

export const RUNNER_NAME = "runner";
const HOUR_MS = 60 * 60 * 1_000;
const SHORTEST_NAP_MS = 250;

export type OwnIdentity = AsyncDisposable & {
  /** What the runner proves itself with now. */
  readonly current: TlsIdentity;
  /** Makes a new one of the CA as it is now. */
  renew(): Promise<void>;
};

type Options = { ca: Ca; installation: string; clock: Clock; log: Logger; onRenewed?: (identity: TlsIdentity) => void };

/** Issues the runner's certificate and looks, once an hour at least, whether it is due. */
export async function openOwnIdentity({ ca, installation, clock, log, onRenewed }: Options): Promise<OwnIdentity> {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const key = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const jwk = publicKey.export({ format: "jwk" }) as webcrypto.JsonWebKey;
  const imported = await webcrypto.subtle.importKey("jwk", jwk, { name: "ECDSA", namedCurve: "P-256" }, true, [
    "verify",
  ]);
  const make = async (): Promise<TlsIdentity> => {
    const { chain, trusted } = ca;
    const certificate = await ca.issue(imported, "runner", RUNNER_NAME, clock.now());
    // The chain includes the CA, whose fingerprint is all that an enrolling process knows.
    return { key, certificate: certificate + chain, ca: trusted, installation, controlPlaneKeys: { keys: [] } };
  };

  let current = await make();
  const renew = async (): Promise<void> => {
    current = await make();
    onRenewed?.(current);
  };
  const stop = new AbortController();
  const renewing = (async () => {
    for (;;) {
      const leftMs = renewalTime(current.certificate) - clock.now();
      await sleep(Math.min(HOUR_MS, Math.max(SHORTEST_NAP_MS, leftMs)), undefined, { signal: stop.signal, ref: false });
      if (clock.now() < renewalTime(current.certificate)) continue;
      await renew();
      log.info("the runner's certificate was renewed");
    }
  })().catch((err: unknown) => {
    if (!stop.signal.aborted) log.error({ err }, "the runner's certificate is no longer renewed");
  });
  return {
    get current() {
      return current;
    },
    renew,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await renewing;
    },
  };
}
