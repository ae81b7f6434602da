// A VM's power: its folders, its network and its processes, on and off. The caller holds the VM's lock.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, lchown, mkdir, open, realpath, writeFile } from "node:fs/promises";
import { readlinkSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { fail } from "@gitspaces/contracts";
import { addressesOf } from "./address-plan.ts";
import { isErrno } from "./durable-file.ts";
import { raiseNamespace, razeNamespace } from "./namespace.ts";
import { isAlive, markOf } from "./processes.ts";
import { type VmFolder, type VmRecord, vmFolder, writeRecord } from "./record.ts";
import { resolvConf } from "./resolver.ts";
import { endVmProcesses } from "./vm-processes.ts";
import {
  type AgentSource,
  type VmProcess,
  etcFiles,
  inheritedEnvironment,
  isolatedProcess,
  plainProcess,
} from "./sandbox.ts";

export type PowerPlaces = { dataFolder: string; imagesFolder: string; agent: AgentSource };

/** Whether the VM's first process runs. */
export function isOn(record: VmRecord): boolean {
  return record.power === "running" && isAlive(record.process);
}

/** Starts a VM from whatever state its last start or stop left behind. Its processes outlive this one. */
export async function powerOn(places: PowerPlaces, record: VmRecord): Promise<VmRecord> {
  const folder = vmFolder(places.dataFolder, record.id);
  await endVmProcesses(places.dataFolder, record, 0);
  const image = await realpath(join(places.imagesFolder, record.image)).catch((cause: unknown) => {
    throw fail("not_found", `There is no image "${record.image}"; bin/up builds it.`, { cause, retry: "later" });
  });
  const command =
    record.network === null
      ? await plain(places, record, folder, image)
      : await isolated(places, record, record.network, folder, image);
  const pid = await launch(command, folder);
  return writeRecord(places.dataFolder, { ...record, power: "running", process: markOf(pid) ?? null });
}

/** Ends a VM's processes and removes its network. The agent has `graceMs` to leave by itself. */
export async function powerDown(dataFolder: string, record: VmRecord, graceMs: number): Promise<void> {
  await endVmProcesses(dataFolder, record, graceMs);
  if (record.network !== null) await razeNamespace(addressesOf(record.network, record.slot).name);
}

async function isolated(
  places: PowerPlaces,
  record: VmRecord,
  network: string,
  folder: VmFolder,
  image: string,
): Promise<VmProcess> {
  const addresses = addressesOf(network, record.slot);
  await makeFolders(folder, addresses.uid);
  const resolver = await resolvConf();
  for (const [name, text] of Object.entries(etcFiles(record.id, addresses, resolver))) {
    await writeFile(join(folder.etc, name), text, { mode: 0o644 });
    await chmod(join(folder.etc, name), 0o644);
  }
  await raiseNamespace(addresses);
  return isolatedProcess({
    id: record.id,
    folder,
    addresses,
    image,
    agent: places.agent,
    systemLink,
    machineEnvironment: inheritedEnvironment(process.env),
  });
}

async function plain(places: PowerPlaces, record: VmRecord, folder: VmFolder, image: string): Promise<VmProcess> {
  await makeFolders(folder, undefined);
  return plainProcess({
    folder,
    port: record.port,
    image,
    agent: places.agent,
    user: userInfo().username,
    path: process.env["PATH"] ?? "/usr/bin:/bin",
    machineEnvironment: inheritedEnvironment(process.env),
  });
}

/** The folders a VM may write to belong to its user; the one that holds the home does not, so only we can swap the home. */
async function makeFolders(folder: VmFolder, uid: number | undefined): Promise<void> {
  for (const path of [folder.homes, folder.etc]) {
    await mkdir(path, { recursive: true });
    await chmod(path, 0o755);
  }
  for (const path of [folder.home, folder.state, folder.temporary]) {
    await mkdir(path, { recursive: true });
    await chmod(path, 0o700);
    if (uid !== undefined) await chown(path, uid, uid);
  }
  if (uid !== undefined) await lchown(folder.metadata, uid, uid);
}

/** Starts the process in a session of its own, with its output in the console and nothing else of ours. */
async function launch({ program, args, env, cwd }: VmProcess, folder: VmFolder): Promise<number> {
  await using output = await open(folder.console, "a", 0o600);
  const child = spawn(program, args, { cwd, env, detached: true, stdio: ["ignore", output.fd, output.fd] });
  try {
    await once(child, "spawn");
  } catch (cause) {
    throw fail("internal", `${program} could not be started. Is its package installed?`, { cause });
  }
  child.unref();
  if (child.pid === undefined) throw fail("internal", `${program} could not be started.`);
  return child.pid;
}

function systemLink(name: string): string | undefined {
  try {
    return readlinkSync(`/${name}`);
  } catch (error) {
    if (isErrno(error, "EINVAL", "ENOENT")) return undefined;
    throw error;
  }
}
