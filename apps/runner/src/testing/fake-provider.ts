// A provider in memory that keeps the port's promises: ids used once, labels by compare-and-set, one VM per disk.
import { mkdtempSync, rmSync } from "node:fs";
import type { Server } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AgentStatus, fail } from "@gitspaces/contracts";
import type { Call, Labels, Provider, ProviderDisk, ProviderVm, VmRequest } from "@gitspaces/providers";
import { openListener, portOf, type StandInAgent, startStandInAgent } from "./stand-in-agent.ts";

type Options = {
  /** Called before each operation; what it throws is the operation's failure. */
  before?: (operation: keyof Provider, id: string) => Promise<void> | void;
  ide?: AgentStatus["ide"];
  /** Whether agents start at all. */
  agents?: boolean;
};

export type FakeProvider = Provider &
  AsyncDisposable & {
    vms: Map<string, ProviderVm>;
    disks: Map<string, ProviderDisk>;
    agents: Map<string, StandInAgent>;
    /** How many VMs were ever made, and how many stood at once at most. */
    counts: { created: number; most: number };
    /** The machine dies: no power, no agent. */
    kill(id: string): Promise<void>;
    isComplete: boolean;
  };

/** Opens it, with stand-in agents that enrol for real. */
export function fakeProvider({
  before = () => {},
  ide = "ready",
  agents: withAgents = true,
}: Options = {}): FakeProvider {
  const folder = mkdtempSync(join(tmpdir(), "gs-fake-"));
  const vms = new Map<string, ProviderVm>();
  const used = new Set<string>();
  const disks = new Map<string, ProviderDisk>();
  const agents = new Map<string, StandInAgent>();
  const listeners = new Map<string, Server>();
  const booting: Promise<unknown>[] = [];
  const counts = { created: 0, most: 0 };

  const seen = (vm: ProviderVm): ProviderVm => structuredClone(vm);
  const existing = (id: string): ProviderVm => {
    const vm = vms.get(id);
    if (vm === undefined) throw fail("not_found", `There is no VM ${id}.`);
    return vm;
  };
  const unsupported = () => Promise.reject(fail("unsupported", "not here"));

  async function create({ id, labels, metadata }: VmRequest): Promise<ProviderVm> {
    await before("create", id);
    const present = vms.get(id);
    if (present !== undefined) return seen(present);
    if (used.has(id)) throw fail("conflict", `There was a VM ${id} before.`, { retry: "never" });
    used.add(id);
    const listener = await openListener();
    const vm: ProviderVm = {
      id,
      power: "running",
      labels,
      version: "1",
      address: "127.0.0.1",
      port: portOf(listener),
      createdAt: Date.now(),
      disks: [],
    };
    vms.set(id, vm);
    listeners.set(id, listener);
    counts.created++;
    counts.most = Math.max(counts.most, vms.size);
    if (withAgents)
      booting.push(
        startStandInAgent({ metadata, listener, folder: join(folder, id), ide })
          .then((agent) => agents.set(id, agent))
          .catch(() => undefined),
      );
    return seen(vm);
  }

  async function powerOff(id: string): Promise<void> {
    await agents.get(id)?.[Symbol.asyncDispose]();
    agents.delete(id);
    const listener = listeners.get(id);
    listener?.close();
    listener?.closeAllConnections();
    listeners.delete(id);
  }

  const provider: FakeProvider = {
    kind: "fake",
    capabilities: { suspend: false, snapshot: false, isolated: false },
    vms,
    disks,
    agents,
    counts,
    isComplete: true,
    create,
    async get(id) {
      await before("get", id);
      const vm = vms.get(id);
      return vm === undefined ? undefined : seen(vm);
    },
    async list() {
      await before("list", "");
      return { items: [...vms.values()].map(seen), complete: provider.isComplete };
    },
    async label(id: string, labels: Labels, ifVersion: string, _call: Call) {
      await before("label", id);
      const vm = existing(id);
      if (vm.version !== ifVersion) throw fail("conflict", `The labels of ${id} are at version ${vm.version}.`);
      Object.assign(vm.labels, labels);
      vm.version = String(Number(vm.version) + 1);
      return seen(vm);
    },
    start: unsupported,
    stop: unsupported,
    suspend: unsupported,
    resume: unsupported,
    async remove(id) {
      await before("remove", id);
      used.add(id);
      await powerOff(id);
      for (const disk of disks.values()) if (disk.attachedTo === id) disk.attachedTo = null;
      vms.delete(id);
    },
    async createDisk(id, labels) {
      await before("createDisk", id);
      const disk = disks.get(id) ?? { id, labels, attachedTo: null, createdAt: Date.now() };
      disks.set(id, disk);
      return structuredClone(disk);
    },
    async attachDisk(id, vm) {
      await before("attachDisk", id);
      const disk = disks.get(id);
      if (disk === undefined) throw fail("not_found", `There is no disk ${id}.`);
      if (disk.attachedTo !== null && disk.attachedTo !== vm)
        throw fail("conflict", `The disk ${id} is attached to ${disk.attachedTo}.`);
      disk.attachedTo = vm;
      existing(vm).disks = [id];
    },
    async detachDisk(id, vm) {
      await before("detachDisk", id);
      const disk = disks.get(id);
      if (disk?.attachedTo === vm) disk.attachedTo = null;
      const machine = vms.get(vm);
      if (machine !== undefined) machine.disks = machine.disks.filter((each) => each !== id);
    },
    async removeDisk(id) {
      await before("removeDisk", id);
      if ((disks.get(id)?.attachedTo ?? null) !== null) throw fail("conflict", `The disk ${id} is attached.`);
      disks.delete(id);
    },
    async listDisks() {
      await before("listDisks", "");
      return { items: [...disks.values()].map((disk) => structuredClone(disk)), complete: true };
    },
    snapshotDisk: unsupported,
    diagnose: async () => "the last words of the VM",
    async kill(id) {
      existing(id).power = "stopped";
      await powerOff(id);
    },
    async [Symbol.asyncDispose]() {
      // An agent that still asks for its certificate ends with its VM's power.
      for (const id of listeners.keys()) await powerOff(id);
      await Promise.all(booting);
      for (const id of agents.keys()) await powerOff(id);
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return provider;
}
