// Takes VMs without a record back on record: claims from labels, stock when label and agent both say that nobody has it.
import type { PoolSpec } from "@gitspaces/contracts";
import type { Logger } from "@gitspaces/daemon";
import type { ProviderVm } from "@gitspaces/providers";
import type { Owner } from "@gitspaces/vm-pool";
import type { AgentClient } from "./agent-client.ts";
import type { ClaimStore } from "./claim-store.ts";
import { fingerprintIn } from "./key-label.ts";
import type { VmStore } from "./vm-store.ts";

type Collaborators = {
  pools: readonly PoolSpec[];
  store: VmStore;
  claims: ClaimStore;
  agents: AgentClient;
  log: Logger;
};

/** Adopts a running VM; false when it is not one of ours to use, or is on record meanwhile. */
export function adoption({ pools, store, claims, agents, log }: Collaborators): (vm: ProviderVm) => Promise<boolean> {
  async function adoptOwned(vm: ProviderVm, owner: Owner): Promise<boolean> {
    const { id, address, port, version, createdAt } = vm;
    const keyFingerprint = fingerprintIn(vm.labels["gs-key"]) ?? null;
    if (address === null) return false;
    const claimant = await identityOf(vm, owner);
    const isAdopted = await store.adopt({
      id,
      pool: poolOf(vm),
      createdAt,
      address,
      port,
      version,
      keyFingerprint,
      owner: claimant,
      seenGeneration: Math.max(owner.generation, claimant.generation),
      isReady: keyFingerprint !== null,
    });
    if (!isAdopted) return false;
    const { generation } = await claims.get(owner.gitspaceId);
    if (keyFingerprint !== null)
      await claims.setRoute({
        gitspaceId: owner.gitspaceId,
        generation,
        instanceId: id,
        address,
        port,
        keyFingerprint,
      });
    log.info({ instanceId: id, gitspaceId: owner.gitspaceId, generation }, "a claim was restored from labels");
    return true;
  }

  /** The agent knows the claim that it took; the label's generation may be that of a later action. */
  async function identityOf(vm: ProviderVm, owner: Owner): Promise<Owner> {
    const identity = (await statusOf(vm))?.identity;
    return identity?.gitspaceId === owner.gitspaceId
      ? { ...owner, generation: identity.generation, taskId: identity.taskId }
      : owner;
  }

  async function statusOf(vm: ProviderVm) {
    const keyFingerprint = fingerprintIn(vm.labels["gs-key"]);
    if (keyFingerprint === undefined || vm.address === null || vm.power !== "running") return undefined;
    return await agents
      .status(vm.id, { address: vm.address, port: vm.port, keyFingerprint }, AbortSignal.timeout(2_000))
      .catch(() => undefined);
  }

  /** Stock again only when label and agent both say that nobody has it. */
  async function adoptStock(vm: ProviderVm): Promise<boolean> {
    const { id, address, port, version, createdAt } = vm;
    const pool = pools.find(({ name }) => name === vm.labels["gs-pool"]);
    const status = await statusOf(vm);
    const keyFingerprint = fingerprintIn(vm.labels["gs-key"]) ?? null;
    if (
      pool === undefined ||
      address === null ||
      status === undefined ||
      status.identity !== null ||
      status.ide !== "ready"
    )
      return false;
    const isAdopted = await store.adopt({
      id,
      pool: pool.name,
      createdAt,
      address,
      port,
      version,
      keyFingerprint,
      owner: null,
      seenGeneration: 0,
      isReady: true,
    });
    if (isAdopted) log.info({ instanceId: id, pool: pool.name }, "a warm VM was adopted");
    return isAdopted;
  }

  return async (vm) => {
    if (vm.power !== "running") return false;
    const owner = ownerIn(vm);
    return owner === null ? await adoptStock(vm) : await adoptOwned(vm, owner);
  };
}

/** The pool that a VM's label names. */
export function poolOf(vm: ProviderVm): string {
  return vm.labels["gs-pool"] ?? "unknown";
}

/** The owner in a VM's labels; nothing when it was never claimed. */
export function ownerIn({ labels }: ProviderVm): Owner | null {
  const gitspaceId = labels["gs-gitspace"];
  if (gitspaceId === undefined) return null;
  return { gitspaceId, generation: Number(labels["gs-generation"] ?? 1), taskId: labels["gs-task"] ?? "" };
}
