// The least provider that keeps the port's promises: ids used once, labels by compare-and-set, one VM per disk. No sockets.
import { fail } from "@gitspaces/contracts";
import type { Provider, ProviderDisk, ProviderVm } from "@gitspaces/providers";

export type WorldProvider = Provider & {
  vms: Map<string, ProviderVm>;
  disks: Map<string, ProviderDisk>;
  isComplete: boolean;
};

/** An empty one. */
export function memoryProvider(): WorldProvider {
  const vms = new Map<string, ProviderVm>();
  const disks = new Map<string, ProviderDisk>();
  const used = new Set<string>();
  const unsupported = () => Promise.reject(fail("unsupported", "not here"));
  const copy = (vm: ProviderVm): ProviderVm => ({ ...vm, labels: { ...vm.labels }, disks: [...vm.disks] });
  const provider: WorldProvider = {
    kind: "memory",
    capabilities: { suspend: false, snapshot: false, isolated: false },
    vms,
    disks,
    isComplete: true,
    async create({ id, labels }) {
      const present = vms.get(id);
      if (present !== undefined) return copy(present);
      if (used.has(id)) throw fail("conflict", `There was a VM ${id} before.`, { retry: "never" });
      const at = { address: "127.0.0.1", port: 1, createdAt: 0 };
      vms.set(id, { id, power: "running", labels: { ...labels }, version: "1", ...at, disks: [] });
      return copy(vms.get(id) as ProviderVm);
    },
    async get(id) {
      const vm = vms.get(id);
      return vm === undefined ? undefined : copy(vm);
    },
    list: async () => ({ items: [...vms.values()].map(copy), complete: provider.isComplete }),
    async label(id, labels, ifVersion) {
      const vm = vms.get(id);
      if (vm === undefined) throw fail("not_found", `There is no VM ${id}.`);
      if (vm.version !== ifVersion) throw fail("conflict", `The labels of ${id} are at version ${vm.version}.`);
      Object.assign(vm.labels, labels);
      vm.version = String(Number(vm.version) + 1);
      return copy(vm);
    },
    async remove(id) {
      used.add(id);
      for (const disk of disks.values()) if (disk.attachedTo === id) disk.attachedTo = null;
      vms.delete(id);
    },
    async createDisk(id, labels) {
      const disk = disks.get(id) ?? { id, labels, attachedTo: null, createdAt: 0 };
      disks.set(id, disk);
      return { ...disk };
    },
    async attachDisk(id, vm) {
      const [disk, machine] = [disks.get(id), vms.get(vm)];
      if (disk === undefined || machine === undefined) throw fail("not_found", "There is no such disk or VM.");
      if (disk.attachedTo !== null && disk.attachedTo !== vm) throw fail("conflict", `The disk ${id} is attached.`);
      disk.attachedTo = vm;
      machine.disks = [id];
    },
    async detachDisk(id, vm) {
      const disk = disks.get(id);
      if (disk?.attachedTo === vm) disk.attachedTo = null;
    },
    async removeDisk(id) {
      disks.delete(id);
    },
    listDisks: async () => ({ items: [...disks.values()].map((disk) => ({ ...disk })), complete: true }),
    diagnose: async () => "",
    start: unsupported,
    stop: unsupported,
    suspend: unsupported,
    resume: unsupported,
    snapshotDisk: unsupported,
  };
  return provider;
}
