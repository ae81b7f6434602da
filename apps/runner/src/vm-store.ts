// The records of VMs and their pools in Redis. Every write is a compare-and-set; losing one is an answer, not an error.
import { type PoolSpec, redisKeys } from "@gitspaces/contracts";
import type { Logger } from "@gitspaces/daemon";
import type { Owner } from "@gitspaces/vm-pool";
import type { Redis } from "ioredis";
import { z } from "zod";
import { defineScript } from "./script.ts";
import { scripts } from "./scripts.ts";
import { readVmRecord, type VmRecord } from "./vm-record.ts";

export type Adopted = {
  id: string;
  pool: string;
  createdAt: number;
  address: string;
  port: number;
  version: string;
  keyFingerprint: string | null;
  owner: Owner | null;
  /** The highest generation known of the owner. */
  seenGeneration: number;
  isReady: boolean;
};

/** In whose name something is done that cannot be taken back. */
export type Fence = { gitspaceId: string; holder: string };

const done = z.union([z.literal(0), z.literal(1)]).transform((number) => number === 1);
const LEASE_MS = 15_000;
/** Stands where a script takes a claim's key and there is no claim; no Gitspace can have this id. */
const NOBODY = "-";

export type VmStore = ReturnType<typeof vmStore>;

/** The store on this connection. A record that cannot be read is told of and counts as none, until it is discarded. */
export function vmStore(redis: Redis, log: Pick<Logger, "error">) {
  const script = (name: keyof typeof scripts) => defineScript(redis, name, scripts[name]);
  const addStock = script("gsAddStock");
  const running = script("gsRunning");
  const version = script("gsVersion");
  const enrol = script("gsEnrol");
  const agent = script("gsAgent");
  const takeStock = script("gsTakeStock");
  const deleting = script("gsDeleting");
  const forget = script("gsForget");
  const discard = script("gsDiscard");
  const freeSlot = script("gsFreeSlot");
  const adopt = script("gsAdopt");
  const cameUp = script("gsCameUp");
  const holdSlot = script("gsHoldSlot");
  const lease = script("gsLease");
  const leaveLease = script("gsLeaveLease");
  const { vm: vmKey, warm, slots, claim } = redisKeys;

  async function read(id: string): Promise<VmRecord | undefined> {
    const record = readVmRecord(await redis.hgetall(vmKey(id)));
    if (record !== "unreadable") return record;
    log.error({ instanceId: id }, "the record of a VM cannot be read; it is rebuilt from the provider's labels");
    return undefined;
  }

  return {
    /** The VM's record, or nothing. */
    get: read,
    /** Every VM of a pool that is not gone. */
    async list(pool: string): Promise<VmRecord[]> {
      const records = await Promise.all((await redis.hkeys(slots(pool))).map(read));
      return records.filter((record) => record !== undefined);
    },
    /** The VMs that take a slot of the pool and have no record that can be read. */
    async lost(pool: string): Promise<string[]> {
      const ids = await redis.hkeys(slots(pool));
      const records = await Promise.all(ids.map(read));
      return ids.filter((_id, index) => records[index] === undefined);
    },
    /** Discards a record that cannot be read, so that another can be made. The slot of its VM stays taken. */
    async discard(id: string, pool: string): Promise<void> {
      const hash = await redis.hgetall(vmKey(id));
      if (readVmRecord(hash) === "unreadable")
        await discard([vmKey(id), warm(pool)], [id, ...Object.entries(hash).flat()]);
    },
    /** Frees the slot of a VM that has no record. */
    async freeSlot(id: string, pool: string): Promise<void> {
      await freeSlot([vmKey(id), warm(pool), slots(pool)], [id, pool]);
    },
    /** Takes a slot under `max` for a new VM of the stock; false when there is none, or the lease has another epoch by now. */
    async addStock(id: string, pool: PoolSpec, now: number, epoch?: number): Promise<boolean> {
      const keys = [slots(pool.name), vmKey(id), redisKeys.lease(pool.name), redisKeys.full(pool.name)];
      return done.parse(await addStock(keys, [id, pool.name, pool.max, now, epoch ?? ""]));
    },
    /** The provider made it; false when it was given up meanwhile. */
    async running(id: string, at: { address: string; port: number; version: string }): Promise<boolean> {
      return done.parse(await running([vmKey(id)], [at.address, at.port, at.version]));
    },
    async noteVersion(id: string, text: string): Promise<void> {
      await version([vmKey(id)], [text]);
    },
    /** Records the agent's key; false when the instance is unknown, on its way out, or has another key. */
    async enrolled(id: string, keyFingerprint: string): Promise<boolean> {
      return done.parse(await enrol([vmKey(id)], [keyFingerprint]));
    },
    /** Records how far the agent is; ready and without owner, the VM joins the warm ones. */
    async agent(id: string, pool: string, state: "ready" | "failed", reason = ""): Promise<boolean> {
      return done.parse(await agent([vmKey(id), warm(pool)], [state, reason]));
    },
    /** Takes a VM without owner out of the pool for good; false when it has an owner, or the lease has another epoch by now. */
    async takeStock(id: string, pool: string, epoch?: number): Promise<boolean> {
      return done.parse(await takeStock([vmKey(id), warm(pool), redisKeys.lease(pool)], [epoch ?? ""]));
    },
    /** The VM is on its way out. With a fence only while that holder has the lock of its Gitspace; false when it has not. */
    async deleting(id: string, fence?: Fence): Promise<boolean> {
      return done.parse(await deleting([vmKey(id), claim(fence?.gitspaceId ?? NOBODY)], [fence?.holder ?? ""]));
    },
    /** The VM is gone: its slot is free, and the Gitspace that held it holds none. */
    async forget(id: string, pool: string, gitspaceId: string | null): Promise<void> {
      await forget([vmKey(id), warm(pool), slots(pool), claim(gitspaceId ?? NOBODY)], [id, pool]);
    },
    /**
     * Rebuilds a lost record, or one whose claim was lost, from what provider and agent say; false when there is nothing to mend
     * or the Gitspace holds another VM.
     */
    async adopt(vm: Adopted): Promise<boolean> {
      const { owner } = vm;
      const keys = [vmKey(vm.id), slots(vm.pool), claim(owner?.gitspaceId ?? NOBODY), warm(vm.pool)];
      const facts = [vm.id, vm.pool, vm.createdAt, vm.address, vm.port, vm.version, vm.keyFingerprint ?? ""];
      const claimed = [owner?.gitspaceId ?? "", owner?.generation ?? 0, owner?.taskId ?? ""];
      const ready = vm.isReady ? "ready" : "starting";
      return done.parse(await adopt(keys, [...facts, ...claimed, ready, vm.seenGeneration]));
    },
    /** Records a claimed VM as up, when what was written after its making was lost; false when it is on its way out. */
    async cameUp(
      id: string,
      at: { address: string; port: number; version: string; keyFingerprint: string },
    ): Promise<boolean> {
      return done.parse(await cameUp([vmKey(id)], [at.address, at.port, at.version, at.keyFingerprint]));
    },
    /** Counts a VM that has no record and could not be adopted (yet) under its pool's `max`. */
    async holdSlot(id: string, pool: string, gitspaceId: string | null): Promise<void> {
      await holdSlot([vmKey(id), slots(pool)], [id, gitspaceId ?? ""]);
    },
    /** Takes or renews a pool's lease for 15 s; its epoch, or nothing while another runner holds it. */
    async lease(pool: string, holder: string): Promise<number | undefined> {
      const epoch = z.number().parse(await lease([redisKeys.lease(pool)], [holder, LEASE_MS]));
      return epoch === 0 ? undefined : epoch;
    },
    async leaveLease(pool: string, holder: string): Promise<void> {
      await leaveLease([redisKeys.lease(pool)], [holder]);
    },
  };
}
