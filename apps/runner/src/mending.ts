// What only reconciliation writes: each script compares once more and then makes slot, claim and warm set agree with the record,
// or takes a VM out of use. Losing a comparison is an answer.
import { redisKeys, ROUTES_CHANNEL } from "@gitspaces/contracts";
import type { Owner, Vm } from "@gitspaces/vm-pool";
import type { Redis } from "ioredis";
import { z } from "zod";
import { defineScript, POOLS_CHANNEL } from "./script.ts";
import { routes } from "./script-fences.ts";

const scripts = {
  /**
   * vm, slots, warm, claim | id, pool, owner → what became of it. A claim that is lost is restored; when the Gitspace holds another VM,
   * or a later stop or a delete came, this one is on its way out. Who was claimed since the look is sound: the claim is not the one given.
   */
  gsMend: `
    local f = redis.call('HMGET', KEYS[1], 'id', 'power', 'agent', 'owner', 'generation', 'task', 'createdAt', 'address', 'key')
    if f[1] ~= ARGV[1] then return 'absent' end
    local owner = f[4] or ''
    redis.call('HSET', KEYS[2], ARGV[1], owner)
    redis.call('PUBLISH', '${POOLS_CHANNEL}', ARGV[2])
    if owner == '' then
      if f[2] == 'running' and f[3] == 'ready' and f[8] and f[9] then
        redis.call('ZADD', KEYS[3], f[7], ARGV[1])
      else
        redis.call('ZREM', KEYS[3], ARGV[1])
      end
      return 'sound'
    end
    redis.call('ZREM', KEYS[3], ARGV[1])
    if owner ~= ARGV[3] then return 'sound' end
    local c = redis.call('HMGET', KEYS[4], 'vm', 'destroyed', 'stopped', 'generation')
    if c[1] == ARGV[1] then return 'sound' end
    local generation = tonumber(f[5] or '1')
    if c[1] or c[2] or tonumber(c[3] or '0') >= math.max(generation, tonumber(c[4] or '0')) then
      redis.call('HSET', KEYS[1], 'power', 'deleting')
      return 'ended'
    end
    redis.call('HSET', KEYS[4], 'vm', ARGV[1], 'task', f[6] or '', 'attempt', 1)
    if tonumber(c[4] or '0') < generation then redis.call('HSET', KEYS[4], 'generation', generation) end
    return 'sound'`,

  /**
   * vm, warm, slots, claim | id, pool, owner → 1 when the record had this owner still and is no more. Its slot stays taken.
   * The owner's claim on this VM ends in any case.
   */
  gsDisown: `
    if redis.call('HGET', KEYS[4], 'vm') == ARGV[1] then redis.call('HDEL', KEYS[4], 'vm') end
    local f = redis.call('HMGET', KEYS[1], 'id', 'owner')
    if not f[1] or f[2] ~= ARGV[3] then return 0 end
    redis.call('DEL', KEYS[1])
    redis.call('ZREM', KEYS[2], ARGV[1])
    redis.call('HSET', KEYS[3], ARGV[1], '')
    redis.call('PUBLISH', '${POOLS_CHANNEL}', ARGV[2])
    return 1`,

  /** vm | createdAt → 1 when the VM is being made still, and on its way out now. */
  gsGiveUp: `
    local f = redis.call('HMGET', KEYS[1], 'power', 'createdAt')
    if f[1] ~= 'making' or f[2] ~= ARGV[1] then return 0 end
    redis.call('HSET', KEYS[1], 'power', 'deleting')
    return 1`,

  /** vm, slots | id, pool, createdAt, owner, generation, task → 1 when there was no record; nobody can adopt the VM from now on. */
  gsCondemn: `
    if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
    redis.call('HSET', KEYS[2], ARGV[1], ARGV[4])
    redis.call('HSET', KEYS[1], 'id', ARGV[1], 'pool', ARGV[2], 'power', 'deleting', 'agent', 'starting', 'createdAt', ARGV[3],
      'owner', ARGV[4], 'generation', ARGV[5], 'task', ARGV[6])
    return 1`,

  /** vm, claim | id → 1 when the VM has no record and the Gitspace does not hold it any more. */
  gsEndClaim: `
    if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
    if redis.call('HGET', KEYS[2], 'vm') == ARGV[1] then redis.call('HDEL', KEYS[2], 'vm') end
    return 1`,

  /** route, claim | gitspace → 1 when the route led to another VM than the claim names, or nowhere, and is gone now. */
  gsEndRoute: `${routes}
    if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
    local route = readRoute(KEYS[1])
    local c = redis.call('HMGET', KEYS[2], 'vm', 'generation')
    if route and c[1] == route.instanceId then return 0 end
    redis.call('DEL', KEYS[1])
    local generation = route and route.generation or tonumber(c[2] or '1')
    local change = { change = 'removed', gitspaceId = ARGV[1], generation = generation }
    redis.call('PUBLISH', '${ROUTES_CHANNEL}', cjson.encode(change))
    return 1`,
} as const;

const done = z.union([z.literal(0), z.literal(1)]).transform((number) => number === 1);
const Mended = z.enum(["absent", "sound", "ended"]);
/** Stands where a script takes a claim's key and there is no claim; no Gitspace can have this id. */
const NOBODY = "-";

export type Mending = ReturnType<typeof mending>;

/** The mender on this connection. */
export function mending(redis: Redis) {
  const script = (name: keyof typeof scripts) => defineScript(redis, name, scripts[name]);
  const mend = script("gsMend");
  const disown = script("gsDisown");
  const giveUp = script("gsGiveUp");
  const condemn = script("gsCondemn");
  const endClaim = script("gsEndClaim");
  const endRoute = script("gsEndRoute");
  const { vm: vmKey, warm, slots, claim, route } = redisKeys;
  const claimOf = (owner: Owner | null) => claim(owner?.gitspaceId ?? NOBODY);

  return {
    /** Makes slot, warm set and claim follow the record. `ended`: its Gitspace does not hold it any more, so it is to go. */
    async mend({ id, pool, owner }: Vm): Promise<z.infer<typeof Mended>> {
      return Mended.parse(
        await mend([vmKey(id), slots(pool), warm(pool), claimOf(owner)], [id, pool, owner?.gitspaceId ?? ""]),
      );
    },
    /** Ends the claim on a VM that is another's and drops its record, so that it can be adopted for that one; false when it has another owner. */
    async disown({ id, pool, owner }: Pick<Vm, "id" | "pool" | "owner">): Promise<boolean> {
      const keys = [vmKey(id), warm(pool), slots(pool), claimOf(owner)];
      return done.parse(await disown(keys, [id, pool, owner?.gitspaceId ?? ""]));
    },
    /** Marks a VM whose making nobody finished; false when somebody has. */
    async giveUp({ id, createdAt }: Vm): Promise<boolean> {
      return done.parse(await giveUp([vmKey(id)], [createdAt]));
    },
    /** Records a VM that nobody owns as on its way out; false when it is on record meanwhile. */
    async condemn(vm: Pick<Vm, "id" | "pool" | "createdAt" | "owner">): Promise<boolean> {
      const { id, pool, createdAt, owner } = vm;
      const claimed = [owner?.gitspaceId ?? "", owner?.generation ?? 0, owner?.taskId ?? ""];
      return done.parse(await condemn([vmKey(id), slots(pool)], [id, pool, createdAt, ...claimed]));
    },
    /** Ends a claim on a VM that has no record. */
    async endClaim(id: string, gitspaceId: string): Promise<void> {
      await endClaim([vmKey(id), claim(gitspaceId)], [id]);
    },
    /** Removes a route to a VM that the Gitspace does not hold, and tells the gateways; false when it is right. */
    async endRoute(gitspaceId: string): Promise<boolean> {
      return done.parse(await endRoute([route(gitspaceId), claim(gitspaceId)], [gitspaceId]));
    },
  };
}
