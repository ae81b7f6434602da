// The delegate's certificate: fetched in the background as soon as the enrolment listener is there, renewed while we live.
import { join } from "node:path";
import { backoff, type Logger, readSecret } from "@gitspaces/daemon";
import {
  certificateGauge,
  type Enrolment,
  enrol,
  keepCertificate,
  type TlsIdentity,
} from "@gitspaces/daemon/certificates";
import type { Config } from "./config.ts";

type Options = {
  config: Pick<Config, "enrolUrl" | "caFingerprintFile" | "enrolTokenFile" | "delegateName" | "dataFolder">;
  onIdentity: (identity: TlsIdentity) => void;
  log: Logger;
};

/** Enrols as this delegate, however long it takes, and hands the first certificate and every renewed one to `onIdentity`. */
export function keepEnrolled({ config, onIdentity, log }: Options): AsyncDisposable {
  let present: TlsIdentity | undefined;
  certificateGauge(() => present?.certificate);
  const take = (identity: TlsIdentity): void => {
    present = identity;
    onIdentity(identity);
  };
  const stop = new AbortController();
  const opened = new AsyncDisposableStack();
  const enrolling = (async () => {
    const pause = backoff({ firstMs: 100, maxMs: 5_000, signal: stop.signal });
    for (let attempt = 1; ; attempt++) {
      try {
        const enrolment = readEnrolment(config, stop.signal);
        const identity = await enrol(enrolment);
        take(identity);
        opened.use(keepCertificate({ ...enrolment, identity, onRenewed: take, log }));
        return;
      } catch (error) {
        stop.signal.throwIfAborted();
        const reason = (error as Error).message;
        if (attempt % 20 === 6) log.warn({ reason, enrolUrl: config.enrolUrl }, "not enrolled yet, still trying");
        await pause.wait();
      }
    }
  })().catch((err: unknown) => {
    if (!stop.signal.aborted) log.error({ err }, "enrolment ended");
  });
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await enrolling;
      await opened.disposeAsync();
    },
  };
}

/** The files are read at each attempt: the runner may write them after we started. */
function readEnrolment(config: Options["config"], signal: AbortSignal): Enrolment {
  const folder = join(config.dataFolder, "delegate");
  return {
    enrolUrl: config.enrolUrl,
    caFingerprint: readSecret(config.caFingerprintFile),
    token: readSecret(config.enrolTokenFile),
    name: config.delegateName,
    role: "delegate",
    keyFile: join(folder, "key.pem"),
    certificateFile: join(folder, "certificate.json"),
    signal,
  };
}
