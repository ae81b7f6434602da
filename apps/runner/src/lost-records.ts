// Slots whose record is missing or cannot be read: the record is rebuilt from labels, or the slot becomes free.
import type { InstanceId } from "@gitspaces/contracts";
import type { Logger } from "@gitspaces/daemon";
import type { Provider } from "@gitspaces/providers";
import type { VmStore } from "./vm-store.ts";

type Collaborators = { provider: Pick<Provider, "get">; store: VmStore; log: Logger };
export type Lost = { id: InstanceId; pool: string };

/** Finds and mends them, in the two halves of one sweep. */
export function lostRecords({ provider, store, log }: Collaborators) {
  return {
    /** Discards the records that cannot be read, so that the sweep finds their VMs without one and adopts them. */
    async discard(pools: readonly string[]): Promise<Lost[]> {
      const found = await Promise.all(
        pools.map(async (pool) => (await store.lost(pool)).map((id): Lost => ({ id, pool }))),
      );
      const lost = found.flat();
      for (const { id, pool } of lost) await store.discard(id, pool);
      return lost;
    },
    /** Frees the slot of a VM that the provider does not have either. One that it has keeps its slot until it is adopted or removed. */
    async freeSlot({ id, pool }: Lost, signal: AbortSignal): Promise<void> {
      if ((await provider.get(id, { key: `get/${id}`, signal })) !== undefined) return;
      await store.freeSlot(id, pool);
      log.warn(
        { instanceId: id, pool },
        "a slot was taken by a VM that is neither on record nor at the provider; it is free",
      );
    },
  };
}
