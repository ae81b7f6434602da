// The gateway: owns the traffic of Gitspaces. Enrols for its certificate, then opens its doors.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fail } from "@gitspaces/contracts";
import { loadConfig, readSecret, retryUntil, runDaemon } from "@gitspaces/daemon";
import { enrol, keepCertificate, type TlsIdentity } from "@gitspaces/daemon/certificates";
import { GatewayConfig } from "./config.ts";
import { startGateway } from "./gateway.ts";

const START_MS = 60_000;
const LOOK_MS = 25;

await runDaemon("gateway", async (log, signal) => {
  const config = loadConfig(GatewayConfig);
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
  await using opened = new AsyncDisposableStack();
  const onRenewed = (renewed: TlsIdentity): void => takers.forEach((take) => take(renewed));
  opened.use(
    keepCertificate({
      ...enrolment,
      caFingerprint: readSecret(config.caFingerprintFile),
      token: readSecret(config.enrolTokenFile),
      identity,
      onRenewed,
      log,
    }),
  );
  const gateway = opened.use(
    await startGateway(config, { present: identity, onRenewed: (take) => takers.push(take) }, log, signal),
  );
  log.info({ address: gateway.address, tasks: gateway.tasksAddress, admin: gateway.adminAddress }, "listening");
  return opened.move();
});
