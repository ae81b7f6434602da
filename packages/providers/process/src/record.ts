// What is written down about a VM, before anything is done about it: the provider's only memory.
import { mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { DiskId, InstanceId, Port } from "@gitspaces/contracts";
import { labelNames } from "../../src/provider.ts";
import { z } from "zod";
import { readIfThere, writeDurably } from "./durable-file.ts";

export const Labels = z.partialRecord(z.enum(labelNames), z.string());

export const VmRecord = z.strictObject({
  id: InstanceId,
  isolation: z.enum(["namespace", "none"]),
  network: z.string().nullable(),
  slot: z.int().min(0),
  port: Port,
  image: z.string(),
  labels: Labels,
  version: z.int().min(1),
  /** The key of the last change of the labels, so that its repetition is answered as itself. */
  labelKey: z.string().nullable(),
  power: z.enum(["making", "running", "stopped", "deleting"]),
  /** With its start time, so that a process id used again by somebody else is never taken for ours. */
  process: z.strictObject({ pid: z.int().min(2), startTime: z.string() }).nullable(),
  disk: DiskId.nullable(),
  createdAt: z.int(),
});
export type VmRecord = z.infer<typeof VmRecord>;

export type VmFolder = ReturnType<typeof vmFolder>;

/** Every path of a VM. */
export function vmFolder(dataFolder: string, id: string) {
  const root = join(dataFolder, "vms", id);
  return {
    root,
    record: join(root, "record.json"),
    metadata: join(root, "metadata.json"),
    console: join(root, "console.log"),
    oldConsole: join(root, "console.old.log"),
    homes: join(root, "home"),
    home: join(root, "home", "dev"),
    blank: join(root, "blank"),
    state: join(root, "state"),
    temporary: join(root, "tmp"),
    etc: join(root, "etc"),
  };
}

/** The record of a VM; nothing when there is no readable one, which happens only when its making was cut short. */
export async function readRecord(dataFolder: string, id: string): Promise<VmRecord | undefined> {
  const text = await readIfThere(vmFolder(dataFolder, id).record);
  if (text === undefined) return undefined;
  try {
    return VmRecord.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

export async function writeRecord(dataFolder: string, record: VmRecord): Promise<VmRecord> {
  await writeDurably(vmFolder(dataFolder, record.id).record, `${JSON.stringify(record, null, 2)}\n`);
  return record;
}

/** The ids of every VM that has a folder, however far its making came. */
export async function vmIds(dataFolder: string): Promise<string[]> {
  await mkdir(join(dataFolder, "vms"), { recursive: true });
  const entries = await readdir(join(dataFolder, "vms"), { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory() && InstanceId.safeParse(entry.name).success)
    .map((entry) => entry.name);
}

/** When a VM's folder was made, for one that has no record yet. */
export async function folderMadeAt(dataFolder: string, id: string): Promise<number | undefined> {
  const made = await stat(vmFolder(dataFolder, id).root).catch(() => undefined);
  return made === undefined ? undefined : Math.floor(made.mtimeMs);
}
