// A claimed VM whose coming up and route Redis forgot: written again from its labels, on its agent's word that it is the Gitspace's.
import type { Logger } from "@gitspaces/daemon";
import type { ProviderVm } from "@gitspaces/providers";
import { ownerIn } from "./adoption.ts";
import type { AgentClient } from "./agent-client.ts";
import type { ClaimStore } from "./claim-store.ts";
import { fingerprintIn } from "./key-label.ts";
import type { VmStore } from "./vm-store.ts";

type Collaborators = { store: VmStore; claims: ClaimStore; agents: AgentClient; log: Logger };

const STATUS_MS = 2_000;

/** Opens the route to a VM that has an owner and no route. What is there is left as it is. */
export function reopening({ store, claims, agents, log }: Collaborators): (vm: ProviderVm) => Promise<void> {
  return async (vm) => {
    const { id, address, port, version } = vm;
    const gitspaceId = ownerIn(vm)?.gitspaceId;
    const keyFingerprint = fingerprintIn(vm.labels["gs-key"]);
    if (gitspaceId === undefined || keyFingerprint === undefined || address === null || vm.power !== "running") return;
    if ((await claims.route(gitspaceId)) !== undefined) return;
    const { vm: held, generation } = await claims.get(gitspaceId);
    if (held !== id) return;
    // A claim under way opens its route itself, once its agent has the identity.
    const reach = { address, port, keyFingerprint };
    const status = await agents.status(id, reach, AbortSignal.timeout(STATUS_MS)).catch(() => undefined);
    if (status?.identity?.gitspaceId !== gitspaceId) return;
    if (!(await store.cameUp(id, { ...reach, version }))) return;
    if (await claims.setRoute({ gitspaceId, generation, instanceId: id, ...reach }))
      log.info({ instanceId: id, gitspaceId, generation }, "a route was restored");
  };
}
