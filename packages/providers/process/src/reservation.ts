// The first thing done for a VM: its id, address and port are written down, before there is anything of it.
import { once } from "node:events";
import { mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { AGENT_PORT, fail } from "@gitspaces/contracts";
import type { VmRequest } from "../../src/provider.ts";
import { nextSlot } from "./address-plan.ts";
import { readIfThere, writeDurably } from "./durable-file.ts";
import { whileLocked } from "./lock.ts";
import { type VmRecord, readRecord, vmFolder, vmIds, writeRecord } from "./record.ts";

/** How long it is remembered that an id was used. Far longer than any call can be on its way. */
const goneForMs = 30 * 24 * 3_600_000;

/**
 * Writes down a VM that has no record yet. `network` is nothing on a machine without isolation.
 * @throws {FailureError} `conflict`, never to be tried again, when a VM of this id was removed before.
 */
export async function reserve(
  dataFolder: string,
  network: string | null,
  { id, pool, labels, metadata }: VmRequest,
  signal: AbortSignal,
): Promise<VmRecord> {
  if ((await readIfThere(tombstone(dataFolder, id))) !== undefined) {
    throw fail("conflict", `There was a VM ${id} before; ids are never used twice.`, { retry: "never" });
  }
  const folder = vmFolder(dataFolder, id);
  await mkdir(folder.root, { recursive: true, mode: 0o755 });
  await writeDurably(folder.metadata, JSON.stringify(metadata), 0o400);
  return whileLocked(dataFolder, "addresses", signal, async () => {
    const records = await Promise.all((await vmIds(dataFolder)).map((other) => readRecord(dataFolder, other)));
    const others = records.filter((each) => each !== undefined);
    return writeRecord(dataFolder, {
      id,
      isolation: network === null ? "none" : "namespace",
      network,
      slot: network === null ? 0 : await takeSlot(dataFolder, new Set(others.map(({ slot }) => slot))),
      port: network === null ? await freePort(new Set(others.map(({ port }) => port))) : AGENT_PORT,
      image: pool.image,
      labels,
      version: 1,
      labelKey: null,
      power: "making",
      process: null,
      disk: null,
      createdAt: Date.now(),
    });
  });
}

/** Makes sure that no call makes a VM of this id from now on. */
export async function retire(dataFolder: string, id: string): Promise<void> {
  await writeFile(tombstone(dataFolder, id), "");
}

/** Forgets ids that were retired so long ago that nobody can still be about to use them. */
export async function forgetLongRetired(dataFolder: string): Promise<void> {
  const folder = tombstone(dataFolder, "");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    if (Date.now() - (await stat(path)).mtimeMs > goneForMs) await rm(path, { force: true });
  }
}

function tombstone(dataFolder: string, id: string): string {
  return join(dataFolder, "vms", ".gone", id);
}

async function takeSlot(dataFolder: string, taken: ReadonlySet<number>): Promise<number> {
  const file = join(dataFolder, "vms", ".last-slot");
  const slot = nextSlot(Number((await readIfThere(file)) ?? 0), taken);
  await writeDurably(file, String(slot));
  return slot;
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
