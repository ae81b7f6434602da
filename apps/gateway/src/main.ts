// The gateway: owns the traffic of Gitspaces. Enrols for its certificate, then opens its doors.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fail } from "@gitspaces/contracts";
import { loadConfig, type Logger, readSecret, retryUntil, runDaemon, type Running } from "@gitspaces/daemon";
import { enrol, keepCertificate, type TlsIdentity } from "@gitspaces/daemon/certificates";
import { GatewayConfig } from "./config.ts";
import { startGateway } from "./gateway.ts";
import { CertificateWays, followCertificate } from "./hand-over/certificate.ts";
import { Chain } from "./hand-over/chain.ts";
import { giveUp } from "./hand-over/predecessor.ts";

const START_MS = 60_000;
const LOOK_MS = 25;

await runDaemon("gateway", (log, signal) =>
  start(log, signal).catch((error: unknown) => {
    giveUp(error);
    throw error;
  }),
);

async function start(log: Logger, signal: AbortSignal): Promise<Running> {
  const config = loadConfig(GatewayConfig);
  const chain = new Chain(config, log);
  const folder = join(config.dataFolder, "gateway");
  const enrolment = {
    enrolUrl: config.enrolUrl,
    name: config.gatewayName,
    role: "gateway" as const,
    keyFile: join(folder, "key.pem"),
    certificateFile: join(folder, "certificate.json"),
    signal,
  };
  // The runner writes it at its very first start, which begins together with ours.
  for (const until = performance.now() + START_MS; !existsSync(config.caFingerprintFile); ) {
    if (performance.now() > until)
      throw fail("timeout", `The runner's CA fingerprint ${config.caFingerprintFile} is not there; is the runner up?`);
    await sleep(LOOK_MS, undefined, { signal });
  }
  const joinInstallation = async (): Promise<TlsIdentity> =>
    enrol({
      ...enrolment,
      caFingerprint: readSecret(config.caFingerprintFile),
      token: readSecret(config.enrolTokenFile),
    });
  const identity = await retryUntil(joinInstallation, {
    signal,
    deadlineMs: START_MS,
    log,
    what: "The runner's enrolment",
    maxMs: 500,
  });
  const takers: ((identity: TlsIdentity) => void)[] = [];
  let present = identity;
  takers.push((renewed) => (present = renewed));
  const onRenewed = (renewed: TlsIdentity): void => takers.forEach((take) => take(renewed));
  const keep = (): AsyncDisposable =>
    keepCertificate({
      ...enrolment,
      caFingerprint: readSecret(config.caFingerprintFile),
      token: readSecret(config.enrolTokenFile),
      identity: present,
      onRenewed,
      log,
    });
  const { certificateFile } = enrolment;
  const follow = (): Disposable => followCertificate({ certificateFile, identity: present, onRenewed, log });
  await using opened = new AsyncDisposableStack();
  opened.defer(() => chain.othersEnded());
  const certificate = opened.use(new CertificateWays({ keep, follow }));
  void chain.seat.turn.then(() => certificate.keep());
  chain.onYield(() => certificate.follow());
  const source = { present: identity, onRenewed: (take: (renewed: TlsIdentity) => void) => takers.push(take) };
  const gateway = opened.use(await startGateway(config, source, log, signal, chain.seat));
  log.info({ address: gateway.address, tasks: gateway.tasksAddress, admin: gateway.adminAddress }, "listening");
  opened.use(chain);
  await chain.take(gateway);
  return Object.assign(opened.move(), { over: chain.over });
}
