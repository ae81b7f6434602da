// What the engine has of an installation, read from labels alone: its VMs, their disks and which ids are used up.
import { AGENT_PORT, type InstanceId } from "@gitspaces/contracts";
import { z } from "zod";
import { type Labels, type ProviderDisk, type ProviderPower, type ProviderVm, labelNames } from "../../src/provider.ts";
import { type Engine, filters } from "./engine.ts";
import { type History, entryOf, noHistory, withVolume } from "./ledger.ts";
import { type Kind, type Names, mark, parseVolume } from "./names.ts";

const Texts = z.record(z.string(), z.string());
const Volumes = z.looseObject({
  Volumes: z.array(z.looseObject({ Name: z.string(), Labels: Texts.nullish() })).nullish(),
});
const Containers = z.array(
  z.looseObject({
    Id: z.string(),
    State: z.string(),
    Labels: Texts,
    NetworkSettings: z
      .looseObject({ Networks: z.record(z.string(), z.looseObject({ IPAddress: z.string() })).nullish() })
      .nullish(),
  }),
);

/** A VM's container. */
export type Box = {
  id: InstanceId;
  container: string;
  state: string;
  address: string | null;
  labels: Labels;
  createdAt: number;
};
export type Disk = { id: string; labels: Labels; createdAt: number };

/** What volumes say. */
export type Records = {
  disks: ReadonlyMap<string, Disk>;
  /** By kind and id; see `historyIn`. */
  histories: ReadonlyMap<string, History>;
  /** When each id was used up, milliseconds since the epoch. */
  gone: ReadonlyMap<InstanceId, number>;
  /** VMs that have a volume for their engine, and when it was made. */
  engines: ReadonlyMap<InstanceId, number>;
};

/** Who holds a disk. `leaving`: it is being taken out of that VM and nobody puts it in again. */
export type Holding = { vm: InstanceId; version: number; leaving: boolean };

/** The VMs of the installation, or the one with this id. */
export async function readBoxes(engine: Engine, names: Names, signal: AbortSignal, id?: InstanceId): Promise<Box[]> {
  const label = [`${mark.installation}=${names.installation}`, `${mark.kind}=vm`];
  if (id !== undefined) label.push(`${mark.vm}=${id}`);
  const found = await engine.ask(Containers, "GET", "/containers/json", {
    query: { all: true, ...filters({ label }) },
    signal,
  });
  return found.map(({ Id, State, Labels, NetworkSettings }) => ({
    id: Labels[mark.vm] ?? "",
    container: Id,
    state: State,
    address:
      Object.values(NetworkSettings?.Networks ?? {}).find(({ IPAddress }) => IPAddress !== "")?.IPAddress ?? null,
    labels: labelsIn(Labels[mark.labels]),
    createdAt: Number(Labels[mark.createdAt] ?? 0),
  }));
}

/** All that volumes say, or what they say of one id. */
export async function readRecords(engine: Engine, names: Names, signal: AbortSignal): Promise<Records> {
  const name = [`^${names.prefix.replaceAll(".", "\\.")}`];
  const found = await engine.ask(Volumes, "GET", "/volumes", { query: filters({ name }), signal });
  const disks = new Map<string, Disk>();
  const histories = new Map<string, History>();
  const gone = new Map<InstanceId, number>();
  const engines = new Map<InstanceId, number>();
  for (const { Name, Labels } of found.Volumes ?? []) {
    const volume = parseVolume(names.prefix, Name);
    const createdAt = Number(Labels?.[mark.createdAt] ?? 0);
    if (volume === undefined) continue;
    const { id } = volume;
    if (volume.what === "entry") {
      const key = `${volume.kind}/${id}`;
      const known = histories.get(key) ?? noHistory;
      histories.set(key, withVolume(known, volume.version, entryOf(volume.version, Labels)));
    } else if (volume.what === "gone") gone.set(id, createdAt);
    else if (volume.what === "engine") engines.set(id, createdAt);
    else disks.set(id, { id, labels: labelsIn(Labels?.[mark.labels]), createdAt });
  }
  return { disks, histories, gone, engines };
}

export function historyIn(records: Records, kind: Kind, id: string): History {
  return records.histories.get(`${kind}/${id}`) ?? noHistory;
}

/** Where a disk is, as its last version says. */
export function holdingIn(records: Records, disk: string): Holding | undefined {
  const { newest, latest } = historyIn(records, "disk", disk);
  const vm = latest?.labels["vm"] ?? "";
  return vm === "" ? undefined : { vm, version: newest, leaving: latest?.labels["leaving"] === "yes" };
}

/** A disk whose removal has begun is nobody's any more. */
export function isBeingRemoved(records: Records, disk: string): boolean {
  return historyIn(records, "disk", disk).latest?.labels["removed"] === "yes";
}

/** What the runner is told of a VM. */
export function vmView(box: Box, records: Records): ProviderVm {
  const { newest, latest } = historyIn(records, "vm", box.id);
  const power = records.gone.has(box.id) ? "deleting" : powerOf(box.state);
  return {
    id: box.id,
    power,
    labels: latest === undefined ? box.labels : latest.labels,
    version: String(newest),
    address: power === "running" ? box.address : null,
    port: AGENT_PORT,
    createdAt: box.createdAt,
    disks: [...records.disks.keys()].filter((disk) => holdingIn(records, disk)?.vm === box.id).toSorted(),
  };
}

/** What the runner is told of a disk: one that an absent VM held is free, for a VM's mounts end with it. */
export function diskView({ id, labels, createdAt }: Disk, records: Records, boxes: readonly Box[]): ProviderDisk {
  const holder = holdingIn(records, id)?.vm;
  return { id, labels, createdAt, attachedTo: boxes.some((box) => box.id === holder) ? (holder ?? null) : null };
}

const powers: Record<string, ProviderPower> = {
  created: "making",
  running: "running",
  restarting: "running",
  paused: "suspended",
  removing: "deleting",
};

function powerOf(state: string): ProviderPower {
  return powers[state] ?? "stopped";
}

function labelsIn(text: string | undefined): Labels {
  const all = Texts.parse(JSON.parse(text ?? "{}"));
  return Object.fromEntries(labelNames.flatMap((name) => (all[name] === undefined ? [] : [[name, all[name]]])));
}
