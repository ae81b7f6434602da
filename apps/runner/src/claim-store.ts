// Claims and routes in Redis: which VM a Gitspace holds, under which generation, and where its traffic goes.
import { setTimeout as sleep } from "node:timers/promises";
import {
  fail,
  type PoolSpec,
  redisKeys,
  type Route,
  type RouteChange,
  Route as RouteSchema,
} from "@gitspaces/contracts";
import type { Redis } from "ioredis";
import { z } from "zod";
import { defineScript } from "./script.ts";
import { scripts } from "./scripts.ts";

/** What a task wants of its Gitspace; it decides which generations stand in its way. */
export type Purpose = "provision" | "stop" | "destroy";

export type Reservation =
  | { outcome: "held" | "warm" | "cold"; id: string; attempt: number }
  | { outcome: "superseded" | "exhausted" | "coming" | "full" | "unsure" };

const Reserved = z
  .tuple([
    z.enum(["held", "warm", "cold", "superseded", "exhausted", "coming", "full", "unsure"]),
    z.string(),
    z.number(),
  ])
  .transform(
    ([outcome, id, attempt]): Reservation =>
      outcome === "held" || outcome === "warm" || outcome === "cold" ? { outcome, id, attempt } : { outcome },
  );
const ClaimHash = z.object({
  vm: z.string().optional(),
  generation: z.coerce.number().default(0),
  destroyed: z.coerce.number().optional(),
});
const Locked = z
  .tuple([z.number(), z.number()])
  .transform(([held, generation]) => ({ isHeld: held === 1, generation }));

/** How soon a task that waits for records to be rebuilt looks again. */
const UNSURE_MS = 100;

type Lock = z.infer<typeof Locked>;

/** A VM is tried this often for one task. */
export const MAX_ATTEMPTS = 3;

export type ClaimStore = ReturnType<typeof claimStore>;

/** The store on this connection. */
export function claimStore(redis: Redis) {
  const script = (name: keyof typeof scripts) => defineScript(redis, name, scripts[name]);
  const enter = script("gsEnter");
  const lock = script("gsLock");
  const unlock = script("gsUnlock");
  const reserve = script("gsReserve");
  const setRoute = script("gsSetRoute");
  const removeRoute = script("gsRemoveRoute");
  const { claim, warm, slots, full, route: routeKey } = redisKeys;

  return {
    /**
     * Lets a task act and keeps its generation; waits while records are rebuilt after a loss.
     * @throws {FailureError} `superseded` when a later action stands in its way; the reason of `signal` when it aborts.
     */
    async enter(gitspaceId: string, generation: number, purpose: Purpose, signal: AbortSignal): Promise<void> {
      for (;;) {
        const entered = await enter([claim(gitspaceId)], [generation, purpose]);
        if (entered === 1) return;
        if (entered === 0) throw superseded();
        await sleep(UNSURE_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
      }
    },
    /** What is known of a Gitspace: the VM it holds, the highest generation seen (0 when none), whether it was deleted. */
    async get(gitspaceId: string): Promise<{ vm: string | null; generation: number; isDestroyed: boolean }> {
      const { vm, generation, destroyed } = ClaimHash.parse(await redis.hgetall(claim(gitspaceId)));
      return { vm: vm ?? null, generation, isDestroyed: destroyed !== undefined };
    },
    /** Takes the Gitspace's lock; also says the highest generation, by which a holder learns that it is superseded. */
    async lock(gitspaceId: string, holder: string, ttlMs: number): Promise<Lock> {
      return Locked.parse(await lock([claim(gitspaceId)], [holder, ttlMs, "take"]));
    },
    /** Renews the lock. Not held: it ended, and another holder had it meanwhile. */
    async renew(gitspaceId: string, holder: string, ttlMs: number): Promise<Lock> {
      return Locked.parse(await lock([claim(gitspaceId)], [holder, ttlMs, "renew"]));
    },
    async unlock(gitspaceId: string, holder: string): Promise<void> {
      await unlock([claim(gitspaceId)], [holder]);
    },
    /** Reserves a VM in one step: the one already held, else the oldest warm one, else a slot for a new one. */
    async reserve(
      task: { gitspaceId: string; generation: number; id: string },
      pool: PoolSpec,
      now: number,
    ): Promise<Reservation> {
      const keys = [claim(task.gitspaceId), warm(pool.name), slots(pool.name), full(pool.name)];
      return Reserved.parse(
        await reserve(keys, [task.gitspaceId, task.generation, task.id, pool.name, pool.max, now, MAX_ATTEMPTS]),
      );
    },
    /** Writes the route and tells the gateways; false when the Gitspace holds another VM or a later generation came. */
    async setRoute(route: Route): Promise<boolean> {
      const change: RouteChange = { change: "set", route };
      const keys = [routeKey(route.gitspaceId), claim(route.gitspaceId)];
      return (
        (await setRoute(keys, [JSON.stringify(route), route.generation, route.instanceId, JSON.stringify(change)])) ===
        1
      );
    },
    /** Removes the route up to this generation and tells the gateways; with an instance, only if the route leads to it. */
    async removeRoute(gitspaceId: string, generation: number, instanceId = ""): Promise<void> {
      const change: RouteChange = { change: "removed", gitspaceId, generation };
      await removeRoute([routeKey(gitspaceId)], [generation, JSON.stringify(change), instanceId]);
    },
    /** The route, or nothing when there is none that can be read. */
    async route(gitspaceId: string): Promise<Route | undefined> {
      const text = await redis.get(routeKey(gitspaceId));
      try {
        return text === null ? undefined : RouteSchema.parse(JSON.parse(text));
      } catch {
        return undefined;
      }
    },
  };
}

/** The failure of a task that came too late. */
export function superseded(): Error {
  return fail("superseded", "A later action on this Gitspace has been accepted; this task changes nothing.");
}
