// The provider that the configuration names, loaded only then.
import { fail } from "@gitspaces/contracts";
import type { Logger } from "@gitspaces/daemon";
import type { Provider } from "@gitspaces/providers";
import type { RunnerConfig } from "./config.ts";

/** VMs without isolation share the host's network, so this is never used as one. */
const NO_NETWORK = "";

/** Opens it. Closing it leaves its VMs running. @throws {FailureError} `bad_request` when its settings do not fit together. */
export async function openProvider(config: RunnerConfig, log: Logger): Promise<Provider & AsyncDisposable> {
  return config.provider === "docker" ? await openDocker(config, log) : await openProcess(config, log);
}

async function openDocker(config: RunnerConfig, log: Logger): Promise<Provider & AsyncDisposable> {
  const { installation, dockerSocket, dockerNetwork, egressAllow } = config;
  const { dockerProvider } = await import("@gitspaces/providers/docker");
  return await dockerProvider({
    socketPath: dockerSocket,
    installation,
    ...(dockerNetwork === undefined ? {} : { network: dockerNetwork }),
    egressAllow,
    log,
  });
}

async function openProcess(config: RunnerConfig, log: Logger): Promise<Provider & AsyncDisposable> {
  const { dataFolder, imagesFolder, installation, isolation, vmNetwork, vmHostPorts } = config;
  if (imagesFolder === undefined) {
    throw missing(
      "imagesFolder",
      "GITSPACES_IMAGES_FOLDER",
      "it should name the folder of the VM images (bin/up makes one)",
    );
  }
  if (isolation === "namespace" && vmNetwork === undefined) {
    throw missing("vmNetwork", "GITSPACES_VM_NETWORK", "with isolation VMs need a network such as 10.74.0.0/16");
  }
  const { processProvider } = await import("@gitspaces/providers/process");
  return await processProvider({
    dataFolder,
    imagesFolder,
    installation,
    isolation,
    network: vmNetwork ?? NO_NETWORK,
    enrolAddress: config.enrolListen.host,
    hostPorts: vmHostPorts,
    log,
  });
}

function missing(field: string, variable: string, cure: string) {
  return fail("bad_request", `${variable} (${field}) is missing and GITSPACES_PROVIDER is "process": ${cure}.`, {
    field,
  });
}
