// Everything that is on record about the VMs of some pools, found from every side: by slot, by record and by claim, so that one of
// them that was lost does not hide the others.
import { redisKeys } from "@gitspaces/contracts";
import type { Lost, Recorded } from "@gitspaces/vm-pool";
import type { Redis } from "ioredis";
import type { VmStore } from "./vm-store.ts";

type Survey = { records: Recorded[]; lost: Lost[] };
export type RecordSurvey = (pools: readonly string[]) => Promise<Survey>;

const SCAN_COUNT = 1_000;

/** The survey on this connection. Not one moment: what it finds is compared again before anything is written. */
export function recordSurvey(redis: Redis, store: Pick<VmStore, "get">): RecordSurvey {
  async function namesOf(prefix: string): Promise<string[]> {
    const found = new Set<string>();
    for (let cursor = "0"; ; ) {
      const [next, keys] = await redis.scan(cursor, "MATCH", `${prefix}*`, "COUNT", SCAN_COUNT, "TYPE", "hash");
      for (const key of keys) found.add(key.slice(prefix.length));
      if (next === "0") return [...found];
      cursor = next;
    }
  }

  return async (pools) => {
    const [slots, warm, ids, gitspaces] = await Promise.all([
      Promise.all(pools.map((pool) => redis.hgetall(redisKeys.slots(pool)))),
      Promise.all(pools.map((pool) => redis.zrange(redisKeys.warm(pool), "0", "-1"))),
      namesOf(redisKeys.vm("")),
      namesOf(redisKeys.claim("")),
    ]);
    const held = await Promise.all(gitspaces.map((each) => redis.hget(redisKeys.claim(each), "vm")));
    const claimed = new Map(gitspaces.flatMap((each, index) => (held[index] ? [[each, held[index]]] : [])));
    const taken = new Map(
      pools.flatMap((pool, index) =>
        Object.entries(slots[index] ?? {}).map(([id, by]) => [id, { pool, gitspaceId: by }]),
      ),
    );
    return await compiled({ store, pools, warm: new Set(warm.flat()), ids, claimed, taken });
  };
}

type Found = {
  store: Pick<VmStore, "get">;
  pools: readonly string[];
  warm: ReadonlySet<string>;
  ids: readonly string[];
  claimed: ReadonlyMap<string, string>;
  taken: ReadonlyMap<string, { pool: string; gitspaceId: string }>;
};

async function compiled({ store, pools, warm, ids, claimed, taken }: Found): Promise<Survey> {
  const named = [...new Set([...taken.keys(), ...ids, ...claimed.values()])];
  const read = await Promise.all(named.map(async (id) => ({ id, record: await store.get(id) })));
  const known = new Set(read.flatMap(({ id, record }) => (record === undefined ? [] : [id])));
  const records = read.flatMap(({ id, record }): Recorded[] => {
    if (record === undefined || !pools.includes(record.vm.pool)) return [];
    const { vm } = record;
    const claim = vm.owner === null ? undefined : claimed.get(vm.owner.gitspaceId);
    return [{ vm, slot: taken.get(id)?.gitspaceId, isInWarmSet: warm.has(id), claimed: claim }];
  });
  const inSlots = [...taken].map(([id, { pool, gitspaceId }]): Lost => ({ id, pool, gitspaceId: gitspaceId || null }));
  const inRecords = ids.map((id): Lost => ({ id, pool: poolIn(id), gitspaceId: null }));
  const inClaims = [...claimed].map(([gitspaceId, id]): Lost => ({ id, pool: poolIn(id), gitspaceId }));
  const lost = [...inSlots, ...inRecords, ...inClaims].filter(({ id, pool }) => !known.has(id) && pools.includes(pool));
  return { records, lost };
}

/** Ids of VMs begin with the name of their pool: it tells whose one is of which nothing else is known. */
function poolIn(id: string): string {
  return id.slice(0, Math.max(0, id.lastIndexOf("-")));
}
