// Everything that is on record about the VMs of some pools, found from every side: by slot, by record and by claim, so that one of
// them that was lost does not hide the others.
import { redisKeys } from "@gitspaces/contracts";
import type { Lost, Recorded, Routed, Vm } from "@gitspaces/vm-pool";
import type { Redis } from "ioredis";
import type { ClaimStore } from "./claim-store.ts";
import type { VmStore } from "./vm-store.ts";

type Survey = { records: Recorded[]; lost: Lost[]; routes: Routed[] };
export type RecordSurvey = (pools: readonly string[]) => Promise<Survey>;

const SCAN_COUNT = 1_000;

/** The survey on this connection. Not one moment: what it finds is compared again before anything is written. */
export function recordSurvey(
  redis: Redis,
  store: Pick<VmStore, "get">,
  claims: Pick<ClaimStore, "route">,
): RecordSurvey {
  async function namesOf(prefix: string, type: "hash" | "string" = "hash"): Promise<string[]> {
    const found = new Set<string>();
    for (let cursor = "0"; ; ) {
      const [next, keys] = await redis.scan(cursor, "MATCH", `${prefix}*`, "COUNT", SCAN_COUNT, "TYPE", type);
      for (const key of keys) found.add(key.slice(prefix.length));
      if (next === "0") return [...found];
      cursor = next;
    }
  }

  return async (pools) => {
    const [ids, gitspaces, routed] = await Promise.all([
      namesOf(redisKeys.vm("")),
      namesOf(redisKeys.claim("")),
      namesOf(redisKeys.route(""), "string"),
    ]);
    const routes = await Promise.all(
      routed.map(async (each) => [each, (await claims.route(each))?.instanceId ?? ""] as const),
    );
    const held = await Promise.all(gitspaces.map((each) => redis.hget(redisKeys.claim(each), "vm")));
    const claimed = new Map(gitspaces.flatMap((each, index) => (held[index] ? [[each, held[index]]] : [])));
    const known = new Map<string, Vm>();
    const read = async (id: string) => {
      const record = await store.get(id);
      if (record !== undefined) known.set(id, record.vm);
    };
    await Promise.all(ids.map(read));
    const named = [...ids, ...claimed.values()].map((id) => known.get(id)?.pool ?? poolIn(id));
    const names = [...new Set([...pools, ...named])];
    const [slots, warm] = await Promise.all([
      Promise.all(names.map((pool) => redis.hgetall(redisKeys.slots(pool)))),
      Promise.all(names.map((pool) => redis.zrange(redisKeys.warm(pool), "0", "-1"))),
    ]);
    const taken = names.flatMap((pool, index) =>
      Object.entries(slots[index] ?? {}).map(([id, by]): Slot => ({ id, pool, by })),
    );
    // A slot may be younger than the scan.
    await Promise.all(taken.filter(({ id }) => !known.has(id)).map(({ id }) => read(id)));
    return compiled({
      known,
      ids,
      claimed,
      taken,
      warm: new Map(names.flatMap((pool, index) => (warm[index] ?? []).map((id) => [id, pool]))),
      routes: new Map(routes),
    });
  };
}

type Slot = { id: string; pool: string; by: string };
export type Found = {
  known: ReadonlyMap<string, Vm>;
  ids: readonly string[];
  claimed: ReadonlyMap<string, string>;
  taken: readonly Slot[];
  /** The pool in whose warm set a VM is. */
  warm: ReadonlyMap<string, string>;
  routes: ReadonlyMap<string, string>;
};

/** What the findings mean together, in the order of the ids: Redis gives them in any. */
export function compiled({ known, ids, claimed, taken, warm, routes }: Found): Survey {
  const slots = new Map(taken.map(({ id, by }) => [id, by]));
  const records = [...known].map(([id, vm]): Recorded => {
    const ofOwner = vm.owner === null ? undefined : claimed.get(vm.owner.gitspaceId);
    return { vm, slot: slots.get(id), isInWarmSet: warm.has(id), claimed: ofOwner };
  });
  const inSlots = taken.map(({ id, pool, by }): Lost => ({ id, pool, gitspaceId: by || null }));
  const inRecords = ids.map((id): Lost => ({ id, pool: poolIn(id), gitspaceId: null }));
  const inClaims = [...claimed].map(([gitspaceId, id]): Lost => ({ id, pool: poolIn(id), gitspaceId }));
  const inWarmSets = [...warm].map(([id, pool]): Lost => ({ id, pool, gitspaceId: null }));
  const lost = [...inSlots, ...inRecords, ...inClaims, ...inWarmSets].filter(({ id }) => !known.has(id));
  const ways = [...routes].map(([gitspaceId, id]): Routed => ({ gitspaceId, id, claimed: claimed.get(gitspaceId) }));
  return {
    records: records.toSorted((a, b) => order(a.vm.id, b.vm.id)),
    lost: lost.toSorted((a, b) => order(a.id, b.id) || order(a.gitspaceId ?? "", b.gitspaceId ?? "")),
    routes: ways.toSorted((a, b) => order(a.gitspaceId, b.gitspaceId)),
  };
}

/** Ids of VMs begin with the name of their pool: it tells whose one is of which nothing else is known. */
export function poolIn(id: string): string {
  return id.slice(0, Math.max(0, id.lastIndexOf("-")));
}

function order(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
