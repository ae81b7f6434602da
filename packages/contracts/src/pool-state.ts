// A pool as its runner has it now.
import { z } from "zod";
import { PoolName } from "./names.ts";

const count = z.int().min(0);

export const PoolState = z.strictObject({
  name: PoolName,
  /** VMs that stand ready, and how many should. */
  warm: count,
  target: count,
  /** Slots taken of `max`. */
  taken: count,
  max: count,
  /** Why no VM can be made, if so. */
  trouble: z.string().nullable(),
});
export type PoolState = z.infer<typeof PoolState>;
