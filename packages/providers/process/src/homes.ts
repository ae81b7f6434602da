// Home disks: folders that outlive VMs. Attached, a home stands inside the VM's folder; detached, in `homes`. It is moved by
// rename, so it is always in exactly one of the two, and nothing here deletes one except `removeDisk`.
import { constants } from "node:fs";
import { chmod, lchown, lstat, mkdir, open, readdir, rename, rm, unlink } from "node:fs/promises";
import { join } from "node:path";
import { DiskId, InstanceId, fail } from "@gitspaces/contracts";
import { z } from "zod";
import type { ProviderDisk } from "../../src/provider.ts";
import { run } from "./command.ts";
import { isErrno, readIfThere, syncFolder, writeDurably } from "./durable-file.ts";
import { Labels, type VmFolder, vmFolder } from "./record.ts";

const DiskRecord = z.strictObject({
  id: DiskId,
  labels: Labels,
  createdAt: z.int(),
  /** Written before the home is moved into the VM, cleared after it was moved back. */
  attachedTo: InstanceId.nullable(),
});
export type DiskRecord = z.infer<typeof DiskRecord>;

export type Homes = ReturnType<typeof openHomes>;

/** The homes of a data folder. The caller holds the disk's lock. */
export function openHomes(dataFolder: string, now: () => number) {
  const root = join(dataFolder, "homes");
  const homeOf = (id: string) => join(root, id);
  const recordOf = (id: string) => join(root, ".records", `${id}.json`);

  async function read(id: string): Promise<DiskRecord | undefined> {
    const text = await readIfThere(recordOf(id));
    if (text !== undefined) return DiskRecord.parse(JSON.parse(text));
    // A home without a record was put there by hand, from a backup perhaps: it is as good as any.
    const found = await lstat(homeOf(id)).catch(() => undefined);
    return found?.isDirectory()
      ? { id, labels: {}, createdAt: Math.floor(found.birthtimeMs), attachedTo: null }
      : undefined;
  }

  async function write(record: DiskRecord): Promise<DiskRecord> {
    await mkdir(join(root, ".records"), { recursive: true });
    await writeDurably(recordOf(record.id), `${JSON.stringify(record, null, 2)}\n`);
    return record;
  }

  async function create(id: string, labels: DiskRecord["labels"]): Promise<DiskRecord> {
    const record = (await read(id)) ?? (await write({ id, labels, createdAt: now(), attachedTo: null }));
    if (record.attachedTo === null) await makeHome(homeOf(id), id, undefined);
    return record;
  }

  /** Moves the home into the VM's folder, owned by the VM's user. `uid` is nothing on a machine without isolation. */
  async function moveIn(record: DiskRecord, vm: InstanceId, folder: VmFolder, uid: number | undefined): Promise<void> {
    if (record.attachedTo !== vm) await write({ ...record, attachedTo: vm });
    const home = homeOf(record.id);
    if (!(await isFolder(home))) {
      if (await isFolder(folder.home)) return;
      throw fail("not_found", `The home ${record.id} is neither in homes nor in the VM ${vm}.`);
    }
    await makeHome(home, record.id, uid);
    if (uid !== undefined) await giveTo(home, uid);
    if (await isFolder(folder.home)) {
      await rm(folder.blank, { recursive: true, force: true });
      await rename(folder.home, folder.blank);
    }
    await rename(home, folder.home);
    await Promise.all([syncFolder(root), syncFolder(folder.homes)]);
  }

  /** Moves the home out of the VM's folder if it is there. Safe to repeat from any point on. */
  async function moveOut(id: string, vm: InstanceId, folder: VmFolder): Promise<void> {
    const record = await read(id);
    // A home is in a VM only while its record says so; otherwise what stands there is the blank one.
    if (record !== undefined && record.attachedTo !== vm) return;
    if (!(await isFolder(homeOf(id))) && (await isMarked(folder.home, id, record))) {
      await mkdir(root, { recursive: true });
      await rename(folder.home, homeOf(id));
      await Promise.all([syncFolder(root), syncFolder(folder.homes)]);
    }
    if (!(await isFolder(folder.home)) && (await isFolder(folder.blank))) await rename(folder.blank, folder.home);
    if (record !== undefined) await write({ ...record, attachedTo: null });
  }

  /** Puts aside a home that no record knows of, rather than let it go with the VM around it. */
  async function rescue(vm: InstanceId, folder: VmFolder): Promise<string | undefined> {
    const marker = await lstat(join(folder.home, ".gitspaces", "disk")).catch(() => undefined);
    if (marker === undefined) return undefined;
    const aside = join(root, ".rescued", `${vm}-${now()}`);
    await mkdir(join(root, ".rescued"), { recursive: true });
    await rename(folder.home, aside);
    return aside;
  }

  /** @throws {FailureError} `conflict` while it is attached. */
  async function remove(id: string): Promise<void> {
    const attachedTo = (await read(id))?.attachedTo ?? null;
    if (attachedTo !== null) throw fail("conflict", `The disk ${id} is attached to ${attachedTo}; detach it first.`);
    const removed = join(root, ".removed", `${id}-${now()}`);
    if (await isFolder(homeOf(id))) {
      await mkdir(join(root, ".removed"), { recursive: true });
      await rename(homeOf(id), removed);
    }
    await rm(recordOf(id), { force: true });
    await rm(removed, { recursive: true, force: true });
  }

  async function list(): Promise<DiskRecord[]> {
    const recorded = (await names(join(root, ".records")))
      .filter((name) => name.endsWith(".json"))
      .map((name) => name.slice(0, -5));
    const ids = new Set([...recorded, ...(await names(root))].filter((id) => DiskId.safeParse(id).success));
    const records = await Promise.all([...ids].map(read));
    return records.filter((record) => record !== undefined);
  }

  /** Copies a home as it is now, wherever it is. */
  async function snapshot(id: string, name: string, signal: AbortSignal): Promise<void> {
    const record = await read(id);
    if (record === undefined) throw fail("not_found", `There is no disk ${id}.`);
    const snapshots = join(root, ".snapshots");
    if (await isFolder(join(snapshots, name))) return;
    const inVm = record.attachedTo === null ? undefined : vmFolder(dataFolder, record.attachedTo).home;
    const source = inVm === undefined || (await isFolder(homeOf(id))) ? homeOf(id) : inVm;
    const beside = join(snapshots, `.${name}.new`);
    await mkdir(snapshots, { recursive: true, mode: 0o700 });
    await rm(beside, { recursive: true, force: true });
    await run("cp", ["-a", "--reflink=auto", "--", source, beside], { signal, timeoutMs: 3_600_000 });
    await rename(beside, join(snapshots, name));
  }

  /** Finishes removals that were cut short. */
  async function sweep(): Promise<void> {
    await rm(join(root, ".removed"), { recursive: true, force: true });
  }

  return { read, write, create, moveIn, moveOut, rescue, remove, list, snapshot, sweep };
}

export function diskView({ id, labels, attachedTo, createdAt }: DiskRecord): ProviderDisk {
  return { id, labels, attachedTo, createdAt };
}

/**
 * Makes a home what an agent recognises as one: a folder with `.gitspaces/disk` that holds its id. What is inside was written
 * by a user and is nowhere followed through a link.
 */
async function makeHome(home: string, id: string, uid: number | undefined): Promise<void> {
  const folder = join(home, ".gitspaces");
  const marker = join(folder, "disk");
  await mkdir(home, { recursive: true });
  await chmod(home, 0o700);
  const found = await lstat(folder).catch(() => undefined);
  if (found !== undefined && !found.isDirectory()) await unlink(folder);
  if (!found?.isDirectory()) await mkdir(folder, { mode: 0o755 });
  if ((await lstat(marker).catch(() => undefined))?.isSymbolicLink()) await unlink(marker);
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;
  await using file = await open(marker, flags, 0o644);
  await file.writeFile(id);
  if (uid === undefined) return;
  for (const path of [folder, marker]) await lchown(path, uid, uid);
}

/** Without a record the marker has to say whose home it is; with one, a person may have deleted the marker. */
async function isMarked(home: string, id: string, record: DiskRecord | undefined): Promise<boolean> {
  if (!(await isFolder(home))) return false;
  return record !== undefined || (await readIfThere(join(home, ".gitspaces", "disk"))) === id;
}

/** Gives every file to the VM's user, the home itself last: once it is theirs, all is. */
async function giveTo(home: string, uid: number): Promise<void> {
  if ((await lstat(home)).uid === uid) return;
  const present = [...(await readdir(home)), ...(await readdir(join(home, ".gitspaces")))];
  if (present.some((name) => name !== ".gitspaces" && name !== "disk"))
    await run("chown", ["-hR", `${uid}:${uid}`, "--", home], { timeoutMs: 600_000 });
  await lchown(home, uid, uid);
}

async function isFolder(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined))?.isDirectory() ?? false;
}

async function names(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw error;
  }
}
