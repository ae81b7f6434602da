// The `docker` provider: a VM is a container with a Docker engine of its own. All state is in the outer engine's labels and
// volumes, and each change is one that the engine makes atomic, so any number of runners may use one engine.
// Measured on two cores that others used as well, a small image, medians: create 435 ms, attach 86,
// label 15, remove 188, list 11 with 300 used-up ids.
//
// `docker volume prune --all` (before engine 23 also without it) takes every volume that no container mounts: home disks too.
import { DiskId, fail, parse } from "@gitspaces/contracts";
import { z } from "zod";
import type { Call, Provider } from "../../src/provider.ts";
import { diagnose } from "./diagnose.ts";
import { disksOf } from "./disks.ts";
import { engineAt } from "./engine.ts";
import { toFailureError } from "./engine-error.ts";
import { historyIn, readRecords } from "./inventory.ts";
import { ledger } from "./ledger.ts";
import { startLook } from "./look.ts";
import { namesOf } from "./names.ts";
import { ensureNetwork } from "./network.ts";
import { plugOf } from "./plug.ts";
import { preloadedImages } from "./preloaded-images.ts";
import { tidyingOf } from "./tidying.ts";
import { type Log, vmsOf } from "./vms.ts";

export type DockerProviderOptions = {
  /** The engine's Unix socket. */
  socketPath: string;
  installation: string;
  /** The bridge that VMs are on, made when it is missing; `gs-<installation>` when none is named. */
  network?: string;
  /** What VMs may reach of private ranges, such as `172.20.0.1:7404`; read by the image's firewall. */
  egressAllow?: readonly string[];
  /** What the engine may take to list everything, in milliseconds; 10 s by default. */
  listMs?: number;
  log: Log;
};

/** In a VM, where a test arms failpoints of what runs there. */
const FAILPOINT_FOLDER = "/var/lib/gitspaces/state/failpoints";
const LIST_MS = 10_000;
const OPEN_MS = 20_000;

/**
 * Opens the provider; closing it leaves the VMs running. The network is put in place first.
 * @throws {FailureError} `vm_unreachable` when the engine does not answer, `denied` when its socket may not be opened.
 */
export async function dockerProvider(options: DockerProviderOptions): Promise<Provider & AsyncDisposable> {
  const { socketPath, installation, log } = options;
  const engine = engineAt(socketPath);
  const names = namesOf(installation);
  const now = Date.now;
  const plug = plugOf(engine, names);
  const entries = ledger(engine, names, async (kind, id, signal) =>
    historyIn(await readRecords(engine, names, signal), kind, id),
  );
  const network = (signal: AbortSignal) => ensureNetwork(engine, names, options.network ?? names.network, signal);
  const disks = disksOf({ engine, names, entries, plug, now });
  const images = preloadedImages(engine, names, plug, log);
  const processors = await told("Opening the provider", async () => {
    const signal = AbortSignal.timeout(OPEN_MS);
    await Promise.all([network(signal), plug.sweep(signal), images.open(signal)]);
    return (await engine.ask(z.looseObject({ NCPU: z.int() }), "GET", "/info", { signal })).NCPU;
  });
  const settings = {
    egressAllow: options.egressAllow ?? [],
    processors,
    ...(process.env["GITSPACES_FAILPOINT_FOLDER"] ? { failpointFolder: FAILPOINT_FOLDER } : {}),
  };
  const vms = vmsOf({
    engine,
    names,
    entries,
    disks,
    images,
    network,
    settings,
    listMs: options.listMs ?? LIST_MS,
    now,
    log,
  });
  const tidying = tidyingOf({ engine, names, entries, vms, now });
  const look = startLook({ engine, names, disks, tidying, log });

  return {
    kind: "docker",
    capabilities: { suspend: false, snapshot: false, isolated: true },
    create: (request, call) => forId(request.id, "Making the VM", () => vms.create(request, call)),
    get: (id, { signal }) => forId(id, "Reading the VM", () => vms.get(id, signal)),
    list: (call) => told("Listing VMs", () => vms.list(call)),
    label: (id, labels, ifVersion, call) => forId(id, "Labelling the VM", () => vms.label(id, labels, ifVersion, call)),
    start: (id, call) => forId(id, "Starting the VM", () => vms.start(id, call)),
    stop: (id, call) => forId(id, "Stopping the VM", () => vms.stop(id, call)),
    suspend: refuseToSuspend,
    resume: refuseToSuspend,
    remove: (id, call) => forId(id, "Removing the VM", () => vms.remove(id, call)),
    createDisk: (disk, labels, call) => forId(disk, "Making the disk", () => disks.create(disk, labels, call)),
    attachDisk: (disk, vm, call) => forIds(disk, vm, "Attaching the disk", () => disks.attach(disk, vm, call)),
    detachDisk: (disk, vm, call) => forIds(disk, vm, "Detaching the disk", () => disks.detach(disk, vm, call)),
    removeDisk: (disk, call) => forId(disk, "Removing the disk", () => disks.remove(disk, call)),
    listDisks: (call: Call) => told("Listing disks", () => disks.list(call)),
    snapshotDisk: async (disk) => {
      throw fail("unsupported", `The disk ${checked(disk)} is a volume, which the Docker engine cannot copy at once.`);
    },
    diagnose: (id, { signal }) => forId(id, "Reading the VM's output", () => diagnose(engine, names.vm(id), signal)),
    [Symbol.asyncDispose]: () => look[Symbol.asyncDispose](),
  };
}

/** Ids become names in the engine, so they are checked here too, whoever calls. */
function checked(id: string): string {
  return parse(DiskId, id, "id");
}

async function forId<T>(id: string, doing: string, work: () => Promise<T>): Promise<T> {
  return await told(`${doing} ${checked(id)}`, work);
}

async function forIds<T>(disk: string, vm: string, doing: string, work: () => Promise<T>): Promise<T> {
  return await told(`${doing} ${checked(disk)} (${checked(vm)})`, work);
}

async function told<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toFailureError(error, doing);
  }
}

/** A paused container keeps all of its memory, which is what suspending is to give back. */
async function refuseToSuspend(): Promise<never> {
  throw fail("unsupported", "VMs of the docker provider cannot be suspended; stop releases them.");
}
