// The provider that the configuration names, loaded only then.
import { fail } from "@gitspaces/contracts";
import type { Logger } from "@gitspaces/daemon";
import type { Provider } from "@gitspaces/providers";
import type { RunnerConfig } from "./config.ts";

/** VMs without isolation share the host's network, so this is never used as one. */
const NO_NETWORK = "";

/** Opens it. Closing it leaves its VMs running. @throws {FailureError} `bad_request` when its settings do not fit together. */
export async function openProvider(config: RunnerConfig, log: Logger): Promise<Provider & AsyncDisposable> {
  const { dataFolder, imagesFolder, installation, isolation, vmNetwork, vmHostPorts } = config;
  if (isolation === "namespace" && vmNetwork === undefined) {
    throw fail(
      "bad_request",
      "GITSPACES_VM_NETWORK (vmNetwork): is missing; with isolation VMs need a network such as 10.74.0.0/16",
      { field: "vmNetwork" },
    );
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
