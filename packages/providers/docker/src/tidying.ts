// Clears away what calls left that were cut short, and forgets ids that have been used up for long. Never a disk.
import type { InstanceId } from "@gitspaces/contracts";
import type { Engine } from "./engine.ts";
import { type Box, type Records, historyIn, readBoxes, readRecords } from "./inventory.ts";
import type { ledger } from "./ledger.ts";
import type { Names } from "./names.ts";
import type { Vms } from "./vms.ts";

/** No call of a runner lasts as long, so no create that began before is still on its way. */
const GONE_MS = 3 * 24 * 3_600_000;
/** A volume is made a moment before its container is. */
const ORPHAN_MS = 600_000;
const UNFINISHED_MS = 60_000;

export type Tidying = ReturnType<typeof tidyingOf>;
type Collaborators = { engine: Engine; names: Names; entries: ReturnType<typeof ledger>; vms: Vms; now: () => number };

export type Leftovers = {
  /** Removed, yet still there. */
  unfinished: InstanceId[];
  /** Without a container: their engine's volume. */
  engines: InstanceId[];
  /** Without a container: their labels. */
  labels: InstanceId[];
  forgotten: InstanceId[];
};

/** What can go. `records` were read before `boxes`, so that a VM without a box was there no more, not yet. Pure. */
export function leftoversOf(records: Records, boxes: readonly Box[], now: number): Leftovers {
  const present = new Set(boxes.map(({ id }) => id));
  const isOld = (since: number | undefined, ms: number) => since !== undefined && now - since > ms;
  const histories = [...records.histories.keys()].flatMap((key) => (key.startsWith("vm/") ? [key.slice(3)] : []));
  return {
    unfinished: [...present].filter((id) => isOld(records.gone.get(id), UNFINISHED_MS)),
    engines: [...records.engines]
      .filter(([id, createdAt]) => !present.has(id) && isOld(createdAt, ORPHAN_MS))
      .map(([id]) => id),
    labels: histories.filter((id) => !present.has(id)),
    forgotten: [...records.gone].filter(([id, at]) => !present.has(id) && isOld(at, GONE_MS)).map(([id]) => id),
  };
}

export function tidyingOf({ engine, names, entries, vms, now }: Collaborators) {
  return {
    async tidy(signal: AbortSignal): Promise<void> {
      const records = await readRecords(engine, names, signal);
      const { unfinished, engines, labels, forgotten } = leftoversOf(
        records,
        await readBoxes(engine, names, signal),
        now(),
      );
      for (const id of unfinished) await vms.discard(id, signal);
      for (const id of engines)
        await engine.tellUnless([404, 409], "DELETE", `/volumes/${names.engine(id)}`, { signal });
      for (const id of labels) {
        const { oldest, newest } = historyIn(records, "vm", id);
        await entries.forget("vm", id, oldest, newest, signal);
      }
      for (const id of forgotten) await engine.tellUnless([404], "DELETE", `/volumes/${names.gone(id)}`, { signal });
    },
  };
}
