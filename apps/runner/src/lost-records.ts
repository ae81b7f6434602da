// Slots and claims whose record is missing or cannot be read: the record is rebuilt from labels, or they become free.
import type { Logger } from "@gitspaces/daemon";
import type { Provider } from "@gitspaces/providers";
import type { Lost } from "@gitspaces/vm-pool";
import type { ClaimStore } from "./claim-store.ts";
import type { Mending } from "./mending.ts";
import type { VmStore } from "./vm-store.ts";

type Collaborators = {
  provider: Pick<Provider, "get">;
  store: VmStore;
  claims: ClaimStore;
  mender: Pick<Mending, "endClaim">;
  log: Logger;
};

/** Finds and mends them, in the two halves of one sweep. */
export function lostRecords({ provider, store, claims, mender, log }: Collaborators) {
  return {
    /** Discards the records that cannot be read, so that the sweep finds their VMs without one and adopts them. */
    async discard(lost: readonly Lost[]): Promise<void> {
      await Promise.all(lost.map(({ id, pool }) => store.discard(id, pool)));
    },
    /** Frees what names a VM that the provider does not have either. One that it has keeps its slot until it is adopted or removed. */
    async release({ id, pool, gitspaceId }: Lost, signal: AbortSignal): Promise<void> {
      const present = await provider.get(id, { key: `get/${id}`, signal });
      if (present !== undefined && present.power !== "gone") return;
      await store.freeSlot(id, pool);
      log.warn(
        { instanceId: id, pool, gitspaceId: gitspaceId ?? undefined },
        "a VM that is neither on record nor at the provider was named by a slot or a claim; they are free",
      );
      if (gitspaceId === null) return;
      await claims.removeRoute(gitspaceId, (await claims.get(gitspaceId)).generation, id);
      await mender.endClaim(id, gitspaceId);
    },
  };
}
