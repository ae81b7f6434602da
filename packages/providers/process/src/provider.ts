// The `process` provider: a VM is a process group with a folder of its own and, where the machine allows, its own namespaces
// and user. All state is on disk and every change under a lock, so any number of runners may use one data folder.
import { lstat, mkdir, readdir, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { AGENT_PORT, DiskId, InstanceId, fail, parse } from "@gitspaces/contracts";
import type { Call, Labels, Provider, ProviderVm, VmRequest } from "../../src/provider.ts";
import { addressesOf, hostAddress, networkNumber, nextSlot } from "./address-plan.ts";
import { agentSource } from "./agent-source.ts";
import { capConsole, readConsole } from "./console.ts";
import { readIfThere, syncFolder, writeDurably } from "./durable-file.ts";
import { diskView, openHomes } from "./homes.ts";
import { lock } from "./lock.ts";
import { prepareNetwork } from "./network.ts";
import { type VmRecord, folderMadeAt, readRecord, vmFolder, vmIds, writeRecord } from "./record.ts";
import { isOn, powerDown, powerOn } from "./vm-power.ts";

export type Log = { info(fields: object, message: string): void; warn(fields: object, message: string): void };

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
  agentEntry?: string;
  log: Log;
};

/** How long an agent has to leave by itself, in milliseconds. */
const stopGraceMs = 10_000;
const removeGraceMs = 1_000;
const consoleEveryMs = 30_000;
/** How long it is remembered that an id was used. Far longer than any call can be on its way. */
const goneForMs = 30 * 24 * 3_600_000;

/**
 * Opens the provider; closing it leaves the VMs running. With isolation the network is put in place first.
 * @throws {FailureError} `bad_request` when the options do not fit together, `internal` when the machine refuses.
 */
export async function processProvider(options: ProcessProviderOptions): Promise<Provider & AsyncDisposable> {
  const { isolation, network, log } = options;
  const isolated = isolation === "namespace";
  const agent = agentSource(options.agentEntry);
  if (isolated && hostAddress(network) !== options.enrolAddress) {
    throw fail(
      "bad_request",
      `VMs of ${network} reach the host at ${hostAddress(network)}, not at ${options.enrolAddress}.`,
      { field: "enrolAddress" },
    );
  }
  if (isolated) networkNumber(network);
  for (const name of ["vms/.gone", "homes/.records"])
    await mkdir(join(options.dataFolder, name), { recursive: true, mode: 0o700 });
  const dataFolder = await realpath(options.dataFolder);
  const vms = join(dataFolder, "vms");
  const homes = openHomes(dataFolder, Date.now);
  const places = { dataFolder, imagesFolder: options.imagesFolder, agent };

  if (isolated) await prepareNetwork({ network, hostPorts: options.hostPorts });
  await forgetLongGone(vms);
  await homes.sweep();
  await sweepRemoved(vms);
  const timer = setInterval(
    () => void capConsoles().catch((err: unknown) => log.warn({ err }, "console not capped")),
    consoleEveryMs,
  );
  timer.unref();

  return {
    kind: "process",
    capabilities: { suspend: false, snapshot: true, isolated },
    create,
    get: (id) => view(id),
    list,
    label,
    start,
    stop,
    suspend: () => Promise.reject(noSuspend()),
    resume: () => Promise.reject(noSuspend()),
    remove,
    createDisk,
    attachDisk,
    detachDisk,
    removeDisk,
    listDisks: async () => ({ items: (await homes.list()).map(diskView), complete: true }),
    snapshotDisk,
    diagnose: (id) => readConsole(vmFolder(dataFolder, checked(id))),
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
    },
  };

  async function create(request: VmRequest, call: Call): Promise<ProviderVm> {
    const id = checked(request.id);
    await using _vm = await lockVm(id, call);
    const record = (await readRecord(dataFolder, id)) ?? (await reserve(request, call));
    if (record.power === "deleting") throw fail("conflict", `The VM ${id} is being removed.`, { retry: "never" });
    if (isOn(record)) return viewOf(record);
    const on = await powerOn(places, record);
    log.info({ vmId: id, pid: on.process?.pid }, "VM made");
    return viewOf(on);
  }

  /** Writes down the VM with its address, before there is anything of it. */
  async function reserve({ id, pool, labels, metadata }: VmRequest, call: Call): Promise<VmRecord> {
    if ((await readIfThere(join(vms, ".gone", id))) !== undefined) {
      throw fail("conflict", `There was a VM ${id} before; ids are never used twice.`, { retry: "never" });
    }
    const folder = vmFolder(dataFolder, id);
    await mkdir(folder.root, { recursive: true, mode: 0o755 });
    await writeDurably(folder.metadata, JSON.stringify(metadata), 0o400);
    await using _slots = await lock(dataFolder, "addresses", call.signal);
    const others = (await Promise.all((await vmIds(dataFolder)).map((other) => readRecord(dataFolder, other)))).filter(
      (each) => each !== undefined,
    );
    const slot = isolated ? await takeSlot(new Set(others.map((each) => each.slot))) : 0;
    const port = isolated ? AGENT_PORT : await freePort(new Set(others.map((each) => each.port)));
    return writeRecord(dataFolder, {
      ...{
        id,
        isolation,
        network: isolated ? network : null,
        slot,
        port,
        image: pool.image,
        labels,
        version: 1,
        labelKey: null,
      },
      ...{ power: "making", process: null, disk: null, createdAt: Date.now() },
    });
  }

  async function takeSlot(taken: ReadonlySet<number>): Promise<number> {
    const file = join(vms, ".last-slot");
    const slot = nextSlot(Number((await readIfThere(file)) ?? 0), taken);
    await writeDurably(file, String(slot));
    return slot;
  }

  async function view(id: InstanceId): Promise<ProviderVm | undefined> {
    const record = await readRecord(dataFolder, checked(id));
    if (record !== undefined) return viewOf(record);
    const createdAt = await folderMadeAt(dataFolder, id);
    // Its making, or its removal, was cut short before or after there was a record.
    return createdAt === undefined
      ? undefined
      : { id, power: "making", labels: {}, version: "0", address: null, port: AGENT_PORT, createdAt, disks: [] };
  }

  async function list() {
    const items = await Promise.all((await vmIds(dataFolder)).map(view));
    return { items: items.filter((vm) => vm !== undefined), complete: true };
  }

  async function label(id: InstanceId, labels: Labels, ifVersion: string, call: Call): Promise<ProviderVm> {
    await using _vm = await lockVm(checked(id), call);
    const record = await existing(id);
    if (
      record.labelKey === call.key &&
      Object.entries(labels).every(([name, value]) => record.labels[name as keyof Labels] === value)
    )
      return viewOf(record);
    if (String(record.version) !== ifVersion) {
      throw fail("conflict", `The labels of ${id} are at version ${record.version}, not at ${ifVersion}.`);
    }
    return viewOf(
      await writeRecord(dataFolder, {
        ...record,
        labels: { ...record.labels, ...labels },
        version: record.version + 1,
        labelKey: call.key,
      }),
    );
  }

  async function start(id: InstanceId, call: Call): Promise<ProviderVm> {
    await using _vm = await lockVm(checked(id), call);
    const record = await existing(id);
    if (record.power === "deleting") throw fail("conflict", `The VM ${id} is being removed.`, { retry: "never" });
    return viewOf(isOn(record) ? record : await powerOn(places, record));
  }

  async function stop(id: InstanceId, call: Call): Promise<void> {
    await using _vm = await lockVm(checked(id), call);
    const record = await existing(id);
    if (record.power === "deleting") return;
    await powerDown(dataFolder, record, stopGraceMs);
    await writeRecord(dataFolder, { ...record, power: "stopped", process: null });
  }

  async function remove(id: InstanceId, call: Call): Promise<void> {
    await using _vm = await lockVm(checked(id), call);
    const folder = vmFolder(dataFolder, id);
    // Also for a VM that never was: a create that is still on its way must not come true after this.
    await writeFile(join(vms, ".gone", id), "");
    if ((await lstat(folder.root).catch(() => undefined)) === undefined) return;
    const record = await readRecord(dataFolder, id);
    if (record !== undefined) {
      await writeRecord(dataFolder, { ...record, power: "deleting" });
      await powerDown(dataFolder, record, removeGraceMs);
    }
    for (const disk of await disksOf(id, record)) {
      await using _disk = await lockDisk(disk, call);
      await homes.moveOut(disk, folder);
    }
    const rescued = await homes.rescue(id, folder);
    if (rescued !== undefined) log.warn({ vmId: id, rescued }, "home without a record put aside");
    const aside = join(vms, `.removed-${id}`);
    await rename(folder.root, aside);
    await syncFolder(vms);
    await rm(aside, { recursive: true, force: true });
    log.info({ vmId: id }, "VM removed");
  }

  /** A disk counts as the VM's when either of their records says so. */
  async function disksOf(id: InstanceId, record: VmRecord | undefined): Promise<string[]> {
    const attached = (await homes.list()).filter((disk) => disk.attachedTo === id).map((disk) => disk.id);
    return [...new Set(record?.disk ? [record.disk, ...attached] : attached)];
  }

  async function createDisk(id: string, labels: Labels, call: Call) {
    await using _disk = await lockDisk(checked(id), call);
    return diskView(await homes.create(id, labels));
  }

  async function attachDisk(disk: string, vm: InstanceId, call: Call): Promise<void> {
    await using _vm = await lockVm(checked(vm), call);
    await using _disk = await lockDisk(checked(disk), call);
    const record = await existing(vm);
    if (record.power === "deleting") throw fail("conflict", `The VM ${vm} is being removed.`, { retry: "never" });
    const home = await homes.read(disk);
    if (home === undefined) throw fail("not_found", `There is no disk ${disk}.`);
    if (home.attachedTo !== null && home.attachedTo !== vm)
      throw fail("conflict", `The disk ${disk} is attached to ${home.attachedTo}.`);
    if (record.disk !== null && record.disk !== disk)
      throw fail("conflict", `The VM ${vm} already has the disk ${record.disk}.`);
    if (record.disk === null) await writeRecord(dataFolder, { ...record, disk });
    const uid = record.network === null ? undefined : addressesOf(record.network, record.slot).uid;
    await homes.moveIn(home, vm, vmFolder(dataFolder, vm), uid);
  }

  async function detachDisk(disk: string, vm: InstanceId, call: Call): Promise<void> {
    await using _vm = await lockVm(checked(vm), call);
    await using _disk = await lockDisk(checked(disk), call);
    const record = await readRecord(dataFolder, vm);
    const home = await homes.read(disk);
    if (record?.disk !== disk && home?.attachedTo !== vm) return;
    await homes.moveOut(disk, vmFolder(dataFolder, vm));
    if (record !== undefined) await writeRecord(dataFolder, { ...record, disk: null });
  }

  async function removeDisk(disk: string, call: Call): Promise<void> {
    await using _disk = await lockDisk(checked(disk), call);
    const home = await homes.read(disk);
    if (home === undefined) return;
    if (home.attachedTo !== null)
      throw fail("conflict", `The disk ${disk} is attached to ${home.attachedTo}; detach it first.`);
    await homes.remove(disk);
  }

  async function snapshotDisk(disk: string, snapshot: string, call: Call): Promise<void> {
    await using _disk = await lockDisk(checked(disk), call);
    const home = await homes.read(disk);
    if (home === undefined) throw fail("not_found", `There is no disk ${disk}.`);
    await homes.snapshot(
      home,
      home.attachedTo === null ? undefined : vmFolder(dataFolder, home.attachedTo),
      checked(snapshot),
      call.signal,
    );
  }

  async function existing(id: InstanceId): Promise<VmRecord> {
    const record = await readRecord(dataFolder, id);
    if (record === undefined) throw fail("not_found", `There is no VM ${id}.`);
    return record;
  }

  function lockVm(id: InstanceId, call: Call): Promise<AsyncDisposable> {
    return lock(dataFolder, `VM ${id}`, call.signal);
  }

  /** Always after the VM's lock when both are needed. */
  function lockDisk(id: string, call: Call): Promise<AsyncDisposable> {
    return lock(dataFolder, `disk ${id}`, call.signal);
  }

  async function capConsoles(): Promise<void> {
    for (const id of await vmIds(dataFolder)) await capConsole(vmFolder(dataFolder, id));
  }
}

/** What is said of a VM: what its record intends, checked against what runs. */
function viewOf(record: VmRecord): ProviderVm {
  const { id, labels, version, port, createdAt, disk, network, slot } = record;
  return {
    ...{ id, labels, version: String(version), port, createdAt },
    power: record.power === "running" && !isOn(record) ? "stopped" : record.power,
    address: network === null ? "127.0.0.1" : addressesOf(network, slot).vm,
    disks: disk === null ? [] : [disk],
  };
}

/** Ids become file names, so they are checked here too, whoever calls. */
function checked(id: string): string {
  return parse(DiskId, id, "id");
}

function noSuspend(): Error {
  return fail("unsupported", "VMs of the process provider cannot be suspended; stop releases them.");
}

async function freePort(taken: ReadonlySet<number>): Promise<number> {
  for (;;) {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    server.close();
    await once(server, "close");
    if (address !== null && typeof address === "object" && !taken.has(address.port)) return address.port;
  }
}

async function forgetLongGone(vms: string): Promise<void> {
  for (const name of await readdir(join(vms, ".gone"))) {
    const path = join(vms, ".gone", name);
    if (Date.now() - (await stat(path)).mtimeMs > goneForMs) await rm(path, { force: true });
  }
}

async function sweepRemoved(vms: string): Promise<void> {
  for (const name of await readdir(vms))
    if (name.startsWith(".removed-")) await rm(join(vms, name), { recursive: true, force: true });
}
