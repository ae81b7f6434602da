// Home disks: volumes that outlive VMs. Which VM holds one is a value that changes by compare-and-set; the plug makes it so.
import { type InstanceId, fail } from "@gitspaces/contracts";
import { z } from "zod";
import type { Call, Labels, Listing, ProviderDisk } from "../../src/provider.ts";
import type { Engine } from "./engine.ts";
import {
  type Holding,
  type Records,
  diskView,
  historyIn,
  holdingIn,
  isBeingRemoved,
  readBoxes,
  readRecords,
} from "./inventory.ts";
import type { ledger } from "./ledger.ts";
import { type Names, mark } from "./names.ts";
import type { Plug } from "./plug.ts";
import { CPU_SHARES } from "./vm-container.ts";

type Collaborators = {
  engine: Engine;
  names: Names;
  entries: ReturnType<typeof ledger>;
  plug: Plug;
  now: () => number;
};

const Image = z.looseObject({
  Image: z.string(),
  Id: z.string(),
  State: z.looseObject({ Running: z.boolean(), StartedAt: z.string() }),
});

export type Disks = ReturnType<typeof disksOf>;

export function disksOf({ engine, names, entries, plug, now }: Collaborators) {
  const read = (signal: AbortSignal) =>
    Promise.all([readBoxes(engine, names, signal), readRecords(engine, names, signal)]);

  async function create(id: string, labels: Labels, call: Call): Promise<ProviderDisk> {
    const { signal } = call;
    let records = await readRecords(engine, names, signal);
    if (isBeingRemoved(records, id)) await remove(id, call);
    if (!records.disks.has(id)) {
      const Labels = {
        [mark.installation]: names.installation,
        [mark.kind]: "disk",
        [mark.createdAt]: String(now()),
        [mark.labels]: JSON.stringify(labels),
      };
      await engine.tell("POST", "/volumes/create", { body: { Name: names.disk(id), Labels }, signal });
      records = await readRecords(engine, names, signal);
    }
    const disk = records.disks.get(id);
    if (disk === undefined) throw fail("conflict", `The disk ${id} is being removed.`);
    return diskView(disk, records, await readBoxes(engine, names, signal));
  }

  /** Writes the disk's next version. @throws `conflict` when somebody else did. */
  async function change(
    disk: string,
    ifVersion: number,
    value: Record<string, string>,
    { key, signal }: Call,
  ): Promise<void> {
    if (await entries.write({ kind: "disk", id: disk, ifVersion, value, key }, signal)) return;
    throw fail("conflict", `The disk ${disk} was attached, detached or removed by another at this moment.`);
  }

  async function attach(disk: string, vm: InstanceId, call: Call): Promise<void> {
    const { signal } = call;
    const [boxes, records] = await read(signal);
    const box = boxes.find(({ id }) => id === vm);
    if (box === undefined) throw fail("not_found", `There is no VM ${vm}.`);
    if (records.gone.has(vm)) throw fail("conflict", `The VM ${vm} is being removed.`, { retry: "never" });
    if (!records.disks.has(disk) || isBeingRemoved(records, disk)) throw fail("not_found", `There is no disk ${disk}.`);
    const holding = holdingIn(records, disk);
    const holder = boxes.find(({ id }) => id === holding?.vm)?.id;
    if (holder !== undefined && holder !== vm) throw fail("conflict", `The disk ${disk} is attached to ${holder}.`);
    const other = heldBy(records, vm).find(([id]) => id !== disk);
    if (other !== undefined) throw fail("conflict", `The VM ${vm} already has the disk ${other[0]}.`);
    let { newest } = historyIn(records, "disk", disk);
    if (holding?.vm !== vm || holding.leaving) {
      await change(disk, newest, { vm }, call);
      newest += 1;
    }
    const body = { CpuShares: CPU_SHARES.working };
    await Promise.all([
      plugInto(vm, disk, newest, signal),
      engine.tell("POST", `/containers/${names.vm(vm)}/update`, { body, signal }),
    ]);
  }

  /** A start of a VM and a version of its disk that we know to be together. */
  const together = new Map<string, string>();

  async function plugInto(
    vm: InstanceId,
    disk: string,
    version: number,
    signal: AbortSignal,
    isSure = false,
  ): Promise<void> {
    const {
      Id: container,
      Image: image,
      State,
    } = await engine.ask(Image, "GET", `/containers/${names.vm(vm)}/json`, { signal });
    const start = `${container} ${State.StartedAt} ${version}`;
    if (!State.Running || (isSure && together.get(disk) === start)) return;
    await plug.plug({ disk, vm, container, image, version }, signal);
    together.set(disk, start);
  }

  async function plugAll(vm: InstanceId, signal: AbortSignal, isSure: boolean): Promise<void> {
    const records = await readRecords(engine, names, signal);
    for (const [disk, { version, leaving }] of heldBy(records, vm)) {
      if (!leaving) await plugInto(vm, disk, version, signal, isSure);
    }
  }

  async function detach(disk: string, vm: InstanceId, call: Call): Promise<void> {
    const { signal } = call;
    const [boxes, records] = await read(signal);
    const holding = holdingIn(records, disk);
    if (holding?.vm !== vm) return;
    const box = boxes.find(({ id }) => id === vm);
    let { version } = holding;
    if (box?.state === "running") {
      // First nobody may put it in again; then it is taken out; only then is it free for another VM.
      if (!holding.leaving) {
        await change(disk, version, { vm, leaving: "yes" }, call);
        version += 1;
      }
      const { Id: container, Image: image } = await engine.ask(Image, "GET", `/containers/${box.container}/json`, {
        signal,
      });
      await plug.unplug({ disk, vm, container, image, version }, signal);
    }
    await change(disk, version, {}, call);
  }

  async function remove(id: string, call: Call): Promise<void> {
    const { signal } = call;
    const [boxes, records] = await read(signal);
    const disk = records.disks.get(id);
    const { newest, oldest } = historyIn(records, "disk", id);
    if (disk !== undefined && !isBeingRemoved(records, id)) {
      const { attachedTo } = diskView(disk, records, boxes);
      if (attachedTo !== null) throw fail("conflict", `The disk ${id} is attached to ${attachedTo}.`);
      await change(id, newest, { removed: "yes" }, call);
    }
    await engine.tellUnless([404], "DELETE", `/volumes/${names.disk(id)}`, { signal });
    // The version that says so goes last.
    const last = historyIn(await readRecords(engine, names, signal), "disk", id).newest;
    await entries.forget("disk", id, oldest, last, signal);
  }

  return {
    create,
    attach,
    detach,
    remove,
    async list({ signal }: Call): Promise<Listing<ProviderDisk>> {
      const [boxes, records] = await read(signal);
      return { items: [...records.disks.values()].map((disk) => diskView(disk, records, boxes)), complete: true };
    },
    /** Puts a VM's disks in again, after it started anew. */
    plugAll: (vm: InstanceId, signal: AbortSignal) => plugAll(vm, signal, false),
    /** The same, where what this process put in since the VM started is taken to be there. */
    plugAgain: (vm: InstanceId, signal: AbortSignal) => plugAll(vm, signal, true),
    /** The VMs that hold disks. */
    async holders(signal: AbortSignal): Promise<InstanceId[]> {
      const [boxes, records] = await read(signal);
      return boxes.flatMap(({ id, state }) => (state === "running" && heldBy(records, id).length > 0 ? [id] : []));
    },
    /** Frees the disks of a VM whose container is gone; whoever was faster has done it already. */
    async freeAll(vm: InstanceId, signal: AbortSignal): Promise<void> {
      const records = await readRecords(engine, names, signal);
      for (const [id, { version }] of heldBy(records, vm)) {
        await entries.write({ kind: "disk", id, ifVersion: version, value: {}, key: `free/${vm}` }, signal);
      }
    },
  };
}

/** The disks that a VM holds. */
export function heldBy(records: Records, vm: InstanceId): [string, Holding][] {
  return [...records.disks.keys()].flatMap((disk): [string, Holding][] => {
    const holding = holdingIn(records, disk);
    return holding?.vm === vm ? [[disk, holding]] : [];
  });
}
