// The `process` provider: a VM is a process group with a folder of its own and, where the machine allows, its own namespaces
// and user. All state is on disk and every change under a lock, so any number of runners may use one data folder.
import { mkdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import { DiskId, fail, parse } from "@gitspaces/contracts";
import type { Call, Provider } from "../../src/provider.ts";
import { hostAddress } from "./address-plan.ts";
import { agentSource, checkReadable } from "./agent-source.ts";
import { attach, attachedDisks, detach } from "./attachment.ts";
import { capConsole, readConsole } from "./console.ts";
import { diskView, openHomes } from "./homes.ts";
import { whileLocked } from "./lock.ts";
import { prepareNetwork } from "./network.ts";
import { vmFolder, vmIds } from "./record.ts";
import { forgetLongRetired } from "./reservation.ts";
import {
  type Log,
  type VmMaking,
  createVm,
  getVm,
  labelVm,
  listVms,
  removeVm,
  startVm,
  stopVm,
  sweepRemovedVms,
} from "./vms.ts";

export type ProcessProviderOptions = {
  /** Holds `vms` and `homes`, which must be on one file system. */
  dataFolder: string;
  /** Holds a folder, or a link to one, per image. */
  imagesFolder: string;
  installation: string;
  isolation: "namespace" | "none";
  /** 10.X.0.0/16; see `pickNetwork`. */
  network: string;
  enrolAddress: string;
  /** TCP ports of the enrolment address that VMs may reach. */
  hostPorts: readonly number[];
  /** The agent's main file; by default this project's. */
  agentEntry?: string;
  log: Log;
};

const consoleEveryMs = 30_000;

/**
 * Opens the provider; closing it leaves the VMs running. With isolation the network is put in place first.
 * @throws {FailureError} `bad_request` when the options do not fit together, `internal` when the machine refuses.
 */
export async function processProvider(options: ProcessProviderOptions): Promise<Provider & AsyncDisposable> {
  const making = await prepare(options);
  const { dataFolder, homes, log } = making;
  const capConsoles = async () => {
    for (const id of await vmIds(dataFolder)) await capConsole(vmFolder(dataFolder, id));
  };
  const timer = setInterval(() => {
    capConsoles().catch((err: unknown) => log.warn({ err }, "console not capped"));
  }, consoleEveryMs);
  timer.unref();

  return {
    kind: "process",
    capabilities: { suspend: false, snapshot: true, isolated: making.network !== null },
    create: (request, call) => forVm(request.id, call, () => createVm(making, request, call)),
    get: async (id) => getVm(making, checked(id)),
    list: () => listVms(making),
    label: (id, labels, ifVersion, call) => forVm(id, call, () => labelVm(dataFolder, id, labels, ifVersion, call)),
    start: (id, call) => forVm(id, call, () => startVm(making, id)),
    stop: (id, call) => forVm(id, call, () => stopVm(dataFolder, id)),
    suspend: refuseToSuspend,
    resume: refuseToSuspend,
    remove: (id, call) =>
      forVm(id, call, () =>
        removeVm(making, id, async (record) => {
          for (const disk of await attachedDisks(homes, id, record)) {
            await forDisk(disk, call, () => homes.moveOut(disk, id, vmFolder(dataFolder, id)));
          }
        }),
      ),
    createDisk: (disk, labels, call) => forDisk(disk, call, async () => diskView(await homes.create(disk, labels))),
    attachDisk: (disk, vm, call) =>
      forVm(vm, call, () => forDisk(disk, call, () => attach(dataFolder, homes, disk, vm))),
    detachDisk: (disk, vm, call) =>
      forVm(vm, call, () => forDisk(disk, call, () => detach(dataFolder, homes, disk, vm))),
    removeDisk: (disk, call) => forDisk(disk, call, () => homes.remove(disk)),
    listDisks: async () => ({ items: (await homes.list()).map(diskView), complete: true }),
    snapshotDisk: (disk, snapshot, call) =>
      forDisk(disk, call, () => homes.snapshot(disk, checked(snapshot), call.signal)),
    diagnose: async (id) => readConsole(vmFolder(dataFolder, checked(id))),
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
    },
  };

  async function forVm<T>(id: string, call: Call, work: () => Promise<T>): Promise<T> {
    return whileLocked(dataFolder, `VM ${checked(id)}`, call.signal, work);
  }

  /** Always inside the VM's lock when both are needed, so that nobody waits for each other. */
  async function forDisk<T>(id: string, call: Call, work: () => Promise<T>): Promise<T> {
    return whileLocked(dataFolder, `disk ${checked(id)}`, call.signal, work);
  }
}

async function prepare(options: ProcessProviderOptions): Promise<VmMaking> {
  const { isolation, hostPorts, enrolAddress, imagesFolder, log } = options;
  const network = isolation === "namespace" ? options.network : null;
  if (network !== null && hostAddress(network) !== enrolAddress) {
    throw fail("bad_request", `VMs of ${network} reach the host at ${hostAddress(network)}, not at ${enrolAddress}.`, {
      field: "enrolAddress",
    });
  }
  const agent = agentSource(options.agentEntry);
  await mkdir(join(options.dataFolder, "homes"), { recursive: true, mode: 0o700 });
  const dataFolder = await realpath(options.dataFolder);
  const homes = openHomes(dataFolder, Date.now);
  if (network !== null) {
    checkReadable(agent);
    await prepareNetwork({ network, hostPorts });
  }
  await Promise.all([forgetLongRetired(dataFolder), sweepRemovedVms(dataFolder), homes.sweep()]);
  return { dataFolder, imagesFolder, agent, installation: options.installation, network, homes, log };
}

/** Ids become file names, so they are checked here too, whoever calls. */
function checked(id: string): string {
  return parse(DiskId, id, "id");
}

async function refuseToSuspend(): Promise<never> {
  throw fail("unsupported", "VMs of the process provider cannot be suspended; stop releases them.");
}
