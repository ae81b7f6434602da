// The VMs of an installation: made, labelled, switched on and off, removed. Every step can be cut short and repeated by anybody.
import { type InstanceId, fail } from "@gitspaces/contracts";
import type { Call, Labels, Listing, ProviderVm, VmRequest } from "../../src/provider.ts";
import type { Disks } from "./disks.ts";
import { type Box, historyIn, readBoxes, readRecords, vmView } from "./inventory.ts";
import type { ledger } from "./ledger.ts";
import { mark } from "./names.ts";
import { removeContainer } from "./removal.ts";
import { STOP_GRACE_S } from "./vm-container.ts";
import { type Creating, vmCreation } from "./vm-creation.ts";

export type Log = { info(fields: object, message: string): void; warn(fields: object, message: string): void };

type Making = Creating & {
  entries: ReturnType<typeof ledger>;
  disks: Disks;
  /** What the engine may take to list everything. */
  listMs: number;
  log: Log;
};

export type Vms = ReturnType<typeof vmsOf>;

export function vmsOf(making: Making) {
  const { engine, names, entries, disks, listMs, now, log } = making;
  const creation = vmCreation(making);

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

  async function create(request: VmRequest, { signal }: Call): Promise<ProviderVm> {
    const { id } = request;
    const [box, wasGone] = await Promise.all([find(id, signal), isGone(id, signal)]);
    if (wasGone) throw usedUp(id);
    if (box?.state !== "running") {
      await creation.furnish(request, box?.state, 0, signal);
      // Looked at again now that the container is there: a removal either sees the container or is seen here.
      if (await isGone(id, signal)) {
        await discard(id, signal);
        throw usedUp(id);
      }
      await creation.start(request, signal);
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
