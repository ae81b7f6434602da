// How the pools are, told with the answer to a `vm.status` that asks for it: what a round trip brings back is true.
import { type PoolSpec, type PoolState, redisKeys, type TaskResult } from "@gitspaces/contracts";
import type { Redis } from "ioredis";
import type { VmTasks } from "./vm-tasks.ts";

/** Reads the pools from Redis; `troubleOf` says why a pool's loop can make no VM. */
export function poolStates(
  redis: Pick<Redis, "zcard" | "hlen">,
  pools: readonly PoolSpec[],
  troubleOf: (pool: string) => string | undefined,
): () => Promise<PoolState[]> {
  return async () =>
    await Promise.all(
      pools.map(async ({ name, warm: target, max }) => {
        const [warm, taken] = await Promise.all([redis.zcard(redisKeys.warm(name)), redis.hlen(redisKeys.slots(name))]);
        return { name, warm, target, taken, max, trouble: troubleOf(name) ?? null };
      }),
    );
}

/** The same tasks; a `vm.status` that asks for the pools is answered with them. */
export function tellingPools(tasks: VmTasks, states: () => Promise<PoolState[]>): VmTasks {
  return async (task, turn) => {
    const result = await tasks(task, turn);
    if (task.type !== "vm.status" || task.data.pools !== true) return result;
    return { ...(result as TaskResult<"vm.status">), pools: await states() };
  };
}
