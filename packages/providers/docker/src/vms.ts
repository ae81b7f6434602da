// The VMs of an installation: made, labelled, switched on and off, removed. Every step can be cut short and repeated by anybody.
import { setTimeout as sleep } from "node:timers/promises";
import { type InstanceId, fail } from "@gitspaces/contracts";
import { z } from "zod";
import type { Call, Labels, Listing, ProviderVm, VmRequest } from "../../src/provider.ts";
import { archiveOf } from "./archive.ts";
import type { Disks } from "./disks.ts";
import type { Engine } from "./engine.ts";
import { isStatus } from "./engine-error.ts";
import { type Box, historyIn, readBoxes, readRecords, vmView } from "./inventory.ts";
import type { ledger } from "./ledger.ts";
import { type Names, mark } from "./names.ts";
import type { PreloadedImages } from "./preloaded-images.ts";
import { METADATA_FOLDER, STOP_GRACE_S, type VmSettings, vmContainer } from "./vm-container.ts";

export type Log = { info(fields: object, message: string): void; warn(fields: object, message: string): void };

export type Making = {
  engine: Engine;
  names: Names;
  entries: ReturnType<typeof ledger>;
  disks: Disks;
  images: PreloadedImages;
  /** The network's id; asked for each VM, since networks can be removed. */
  network: (signal: AbortSignal) => Promise<string>;
  settings: VmSettings;
  /** What the engine may take to list everything. */
  listMs: number;
  now: () => number;
  log: Log;
};

const METADATA_FILE = "metadata.json";
const AGAIN_MS = 50;

export type Vms = ReturnType<typeof vmsOf>;

export function vmsOf({ engine, names, entries, disks, images, network, settings, listMs, now, log }: Making) {
  async function find(id: InstanceId, signal: AbortSignal): Promise<Box | undefined> {
    return (await readBoxes(engine, names, signal, id))[0];
  }

  async function view(id: InstanceId, signal: AbortSignal): Promise<ProviderVm | undefined> {
    const box = await find(id, signal);
    return box === undefined ? undefined : vmView(box, await readRecords(engine, names, signal));
  }

  async function existing(id: InstanceId, signal: AbortSignal): Promise<ProviderVm> {
    const vm = await view(id, signal);
    if (vm === undefined) throw fail("not_found", `There is no VM ${id}.`);
    return vm;
  }

  async function isGone(id: InstanceId, signal: AbortSignal): Promise<boolean> {
    return await engine.tellUnless([404], "GET", `/volumes/${names.gone(id)}`, { signal });
  }

  async function makeContainer(request: VmRequest, signal: AbortSignal): Promise<void> {
    const name = names.vm(request.id);
    await images.ensure(request.pool.preload?.images ?? [], request.pool.image, signal);
    const body = vmContainer(request, await network(signal), names, settings, now());
    // 409: somebody else makes it; the name is taken a moment before the container is there.
    while (!(await engine.tellUnless([409], "POST", "/containers/create", { query: { name }, body, signal }))) {
      if (await engine.tellUnless([404], "GET", `/containers/${name}/json`, { signal })) return;
      await sleep(AGAIN_MS, undefined, { signal });
    }
  }

  /** Makes the container and what it has to hold before it starts; leaves one that is there as it is. */
  async function furnish(request: VmRequest, box: Box | undefined, signal: AbortSignal): Promise<string> {
    const name = names.vm(request.id);
    if (box === undefined) await makeContainer(request, signal);
    const query = { path: `${METADATA_FOLDER}/${METADATA_FILE}` };
    if (await engine.tellUnless([404], "HEAD", `/containers/${name}/archive`, { query, signal })) return name;
    const folder = METADATA_FOLDER.slice(1).split("/");
    const file = { path: `${folder.join("/")}/${METADATA_FILE}`, mode: 0o600, text: JSON.stringify(request.metadata) };
    const archive = archiveOf([file], [folder.join("/")]);
    await engine.tell("PUT", `/containers/${name}/archive`, { query: { path: "/" }, archive, signal });
    return name;
  }

  async function create(request: VmRequest, { signal }: Call): Promise<ProviderVm> {
    const { id } = request;
    const [box, wasGone] = await Promise.all([find(id, signal), isGone(id, signal)]);
    if (wasGone) throw usedUp(id);
    if (box?.state !== "running") {
      const name = box === undefined || box.state === "created" ? await furnish(request, box, signal) : box.container;
      // Looked at again now that the container is there: a removal either sees the container or is seen here.
      if (await isGone(id, signal)) {
        await discard(id, signal);
        throw usedUp(id);
      }
      await engine.tell("POST", `/containers/${name}/start`, { signal });
      await disks.plugAll(id, signal);
      log.info({ vmId: id }, "VM made");
    }
    return await existing(id, signal);
  }

  async function label(id: InstanceId, labels: Labels, ifVersion: string, { key, signal }: Call): Promise<ProviderVm> {
    const [box, records] = await Promise.all([find(id, signal), readRecords(engine, names, signal)]);
    if (box === undefined) throw fail("not_found", `There is no VM ${id}.`);
    const { newest, latest } = historyIn(records, "vm", id);
    const present = latest?.labels ?? box.labels;
    const value = { ...present, ...labels } as Record<string, string>;
    if (latest?.version === newest && latest.key === key && JSON.stringify(value) === JSON.stringify(present)) {
      return vmView(box, records);
    }
    const isCurrent = String(newest) === ifVersion;
    if (!isCurrent || !(await entries.write({ kind: "vm", id, ifVersion: newest, value, key }, signal))) {
      throw fail("conflict", `The labels of ${id} are not at version ${ifVersion} any more.`);
    }
    const vm = await view(id, signal);
    if (vm !== undefined) return vm;
    // It was removed meanwhile: its versions went with it, and this one came after.
    await entries.forget("vm", id, newest + 1, newest + 1, signal);
    throw fail("not_found", `There is no VM ${id}.`);
  }

  async function start(id: InstanceId, { signal }: Call): Promise<ProviderVm> {
    const vm = await existing(id, signal);
    if (vm.power === "deleting") throw fail("conflict", `The VM ${id} is being removed.`, { retry: "never" });
    if (vm.power === "running") return vm;
    if (vm.power === "suspended") await engine.tell("POST", `/containers/${names.vm(id)}/unpause`, { signal });
    else await engine.tell("POST", `/containers/${names.vm(id)}/start`, { signal });
    await disks.plugAll(id, signal);
    return await existing(id, signal);
  }

  async function stop(id: InstanceId, { signal }: Call): Promise<void> {
    const vm = await existing(id, signal);
    if (vm.power !== "running" && vm.power !== "suspended") return;
    await engine.tell("POST", `/containers/${names.vm(id)}/stop`, { query: { t: STOP_GRACE_S }, signal });
  }

  /** Ends and removes the container and the volumes that are only its own. Disks are detached once nothing runs any more. */
  async function discard(id: InstanceId, signal: AbortSignal): Promise<void> {
    await removeContainer(engine, names.vm(id), signal);
    await disks.freeAll(id, signal);
    await engine.tellUnless([404], "DELETE", `/volumes/${names.engine(id)}`, { query: { force: true }, signal });
    const { newest, oldest } = historyIn(await readRecords(engine, names, signal), "vm", id);
    await entries.forget("vm", id, oldest, newest, signal);
  }

  async function remove(id: InstanceId, { signal }: Call): Promise<void> {
    // Also for a VM that never was: a create that is still on its way must not come true after this.
    const Labels = { [mark.installation]: names.installation, [mark.kind]: "gone", [mark.createdAt]: String(now()) };
    await engine.tell("POST", "/volumes/create", { body: { Name: names.gone(id), Labels }, signal });
    await discard(id, signal);
    log.info({ vmId: id }, "VM removed");
  }

  /** All of them; incomplete when the engine takes longer than it may. */
  async function list({ signal }: Call): Promise<Listing<ProviderVm>> {
    const slow = AbortSignal.timeout(listMs);
    const within = AbortSignal.any([signal, slow]);
    try {
      const boxes = await readBoxes(engine, names, within);
      const records = await readRecords(engine, names, within);
      return { items: boxes.map((box) => vmView(box, records)), complete: true };
    } catch (error) {
      if (!slow.aborted || signal.aborted) throw error;
      log.warn({ err: error }, "the Docker engine did not list its VMs in time");
      return { items: [], complete: false };
    }
  }

  return { create, get: view, list, label, start, stop, remove, discard };
}

function usedUp(id: InstanceId) {
  return fail("conflict", `The id ${id} was removed; ids are never used again.`, { retry: "never" });
}

const State = z.looseObject({ Id: z.string() });

/** Kills and removes a container; waits for a removal that somebody else has begun. */
export async function removeContainer(engine: Engine, name: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    const query = { force: true, v: true };
    if (await engine.tellUnless([404, 409], "DELETE", `/containers/${name}`, { query, signal })) return;
    try {
      await engine.ask(State, "GET", `/containers/${name}/json`, { signal });
    } catch (error) {
      if (isStatus(error, 404)) return;
      throw error;
    }
    await sleep(AGAIN_MS, undefined, { signal });
  }
}
