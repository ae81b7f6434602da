// How many tasks may be worked on at once, and which hold a place now.
import { EventEmitter, once } from "node:events";

export type Slots = ReturnType<typeof makeSlots>;

/** `total` places. `onEdge` hears when the last one is taken and when the first one is free again. */
export function makeSlots(total: number, onEdge: () => void) {
  const taken = new Set<string>();
  const changes = new EventEmitter();
  const free = () => Math.max(0, total - taken.size);

  return {
    free,
    /** Takes a place; false when there is none. A task that holds one keeps it. */
    take(id: string): boolean {
      if (taken.has(id)) return true;
      if (free() === 0) return false;
      taken.add(id);
      if (free() === 0) onEdge();
      return true;
    },
    /** Takes a place even beyond the total: a task from before a restart is worked on whatever the settings say now. */
    keep(id: string): void {
      taken.add(id);
    },
    give(id: string): void {
      const wasFull = free() === 0;
      if (!taken.delete(id) || free() === 0) return;
      changes.emit("free");
      if (wasFull) onEdge();
    },
    /** Resolves when a place is free. @throws when `signal` aborts. */
    async whenFree(signal: AbortSignal): Promise<void> {
      if (free() === 0) await once(changes, "free", { signal });
    },
  };
}
