// The provider port: what the runner needs from a cloud. One adapter per kind of VM, the same conformance list for each.
import type { AgentMetadata, DiskId, InstanceId, PoolSpec, Power } from "@gitspaces/contracts";
import type { z } from "zod";

/** Labels are the truth about a VM: everything else can be rebuilt from them. */
export const labelNames = [
  "gs-installation",
  "gs-pool",
  "gs-slot",
  "gs-gitspace",
  "gs-generation",
  "gs-task",
  "gs-key",
] as const;
export type LabelName = (typeof labelNames)[number];
export type Labels = Partial<Record<LabelName, string>>;

/** `stopped` is a VM that lost its power and keeps its disks; the runner never leaves one so. */
export type ProviderPower = Power | "stopped";

export type ProviderVm = {
  id: InstanceId;
  power: ProviderPower;
  labels: Labels;
  /** Changes with every change of the labels; `label` compares it. */
  version: string;
  /** Where the agent listens, once the provider knows. */
  address: string | null;
  port: number;
  /** Milliseconds since the epoch. */
  createdAt: number;
  /** Home disks attached to it. */
  disks: z.infer<typeof DiskId>[];
};

export type ProviderDisk = {
  id: z.infer<typeof DiskId>;
  labels: Labels;
  attachedTo: InstanceId | null;
  createdAt: number;
};

/** `key` names the attempt: a call repeated with the same key has the effect of one. `signal` ends the wait, not the effect. */
export type Call = { key: string; signal: AbortSignal };

/** The id is chosen by the caller and never used twice, so a repeated create never makes a second VM. */
export type VmRequest = { id: InstanceId; pool: PoolSpec; labels: Labels; metadata: AgentMetadata };

export type Listing<T> = {
  items: T[] /** False when a part of the provider did not answer; absence then proves nothing. */;
  complete: boolean;
};

export type Capabilities = { suspend: boolean; snapshot: boolean; isolated: boolean };

/**
 * Every call is safe to repeat with the same key; removing what is absent succeeds.
 * @throws {FailureError} with the provider's own words turned into one of our codes.
 */
export interface Provider {
  readonly kind: string;
  readonly capabilities: Capabilities;
  /** Resolves once the VM runs; the agent inside may not be up yet. */
  create(request: VmRequest, call: Call): Promise<ProviderVm>;
  get(id: InstanceId, call: Call): Promise<ProviderVm | undefined>;
  list(call: Call): Promise<Listing<ProviderVm>>;
  /** Merges labels if the VM's version is still `ifVersion`. @throws `conflict` when it is not, `not_found` when the VM is gone. */
  label(id: InstanceId, labels: Labels, ifVersion: string, call: Call): Promise<ProviderVm>;
  start(id: InstanceId, call: Call): Promise<ProviderVm>;
  stop(id: InstanceId, call: Call): Promise<void>;
  suspend(id: InstanceId, call: Call): Promise<void>;
  resume(id: InstanceId, call: Call): Promise<ProviderVm>;
  /** Removes the VM: first its power, so that nothing inside writes on, then its home disks are detached; they stay. */
  remove(id: InstanceId, call: Call): Promise<void>;
  createDisk(id: z.infer<typeof DiskId>, labels: Labels, call: Call): Promise<ProviderDisk>;
  /** @throws `conflict` when the disk is attached to another VM. */
  attachDisk(disk: z.infer<typeof DiskId>, vm: InstanceId, call: Call): Promise<void>;
  detachDisk(disk: z.infer<typeof DiskId>, vm: InstanceId, call: Call): Promise<void>;
  /** @throws `conflict` while the disk is attached. */
  removeDisk(id: z.infer<typeof DiskId>, call: Call): Promise<void>;
  listDisks(call: Call): Promise<Listing<ProviderDisk>>;
  snapshotDisk(disk: z.infer<typeof DiskId>, snapshot: string, call: Call): Promise<void>;
  /** The last output of a VM, for a message about why it did not come up. */
  diagnose(id: InstanceId, call: Call): Promise<string>;
}
