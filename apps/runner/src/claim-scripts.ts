// Claims, their locks and their routes, as scripts.
import { ROUTES_CHANNEL } from "@gitspaces/contracts";
import { POOLS_CHANNEL } from "./script.ts";
import { clock, fence, routes, whole } from "./script-fences.ts";

/** A deleted Gitspace is remembered for so long, far beyond the deadline of every task it could still be sent. */
const TOMBSTONE_MS = 7 * 24 * 60 * 60 * 1_000;
/** Looking through ten thousand slots takes a while, so what was seen counts this long, unless a VM of the stock gets one. */
const FULL_MS = 200;

export const claimScripts = {
  /** claim | generation, purpose → 1 when the task may act; its generation is then the highest seen. -1: Redis may have lost records. */
  gsEnter: `${fence}${whole}
    if not isWhole() then return -1 end
    local generation = tonumber(ARGV[1])
    if superseded(KEYS[1], generation, ARGV[2]) then return 0 end
    redis.call('HSET', KEYS[1], 'generation', ARGV[1])
    if ARGV[2] == 'stop' or ARGV[2] == 'destroy' then redis.call('HSET', KEYS[1], 'stopped', ARGV[1]) end
    if ARGV[2] == 'destroy' then
      redis.call('HSET', KEYS[1], 'destroyed', ARGV[1])
      redis.call('PEXPIRE', KEYS[1], ${TOMBSTONE_MS})
    end
    return 1`,

  /**
   * claim | holder, ttl ms, 'take' or 'renew' → {held by me now, highest generation}. Renewing takes nothing: whoever's lock ended
   * and was given back by the next holder has lost it.
   */
  gsLock: `${clock}
    local f = redis.call('HMGET', KEYS[1], 'lockedBy', 'lockedUntil', 'generation')
    local generation = tonumber(f[3] or '0')
    if f[1] and f[1] ~= ARGV[1] and tonumber(f[2]) > now then return {0, generation} end
    if ARGV[3] == 'renew' and f[1] ~= ARGV[1] then return {0, generation} end
    redis.call('HSET', KEYS[1], 'lockedBy', ARGV[1], 'lockedUntil', now + ARGV[2])
    return {1, generation}`,

  /** claim | holder */
  gsUnlock: `
    if redis.call('HGET', KEYS[1], 'lockedBy') == ARGV[1] then redis.call('HDEL', KEYS[1], 'lockedBy', 'lockedUntil') end
    return 1`,

  /**
   * claim, warm, slots, full | gitspace, generation, task, pool, max, now, attempts → {outcome, vm, attempt}.
   * A Gitspace that holds a VM gets that one, if it is on record as its own; else the oldest warm VM; else a slot under max, for a VM named by task and attempt.
   * `unsure`: Redis may have lost records. `coming`: no slot is free, but a VM of the stock is being made or removed, so there will be one.
   */
  gsReserve: `${fence}${whole}
    if not isWhole() then return {'unsure', '', 0} end
    local claim, warm, slots = KEYS[1], KEYS[2], KEYS[3]
    local gitspace, generation, task, pool, max = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], tonumber(ARGV[5])
    if superseded(claim, generation, 'provision') then return {'superseded', '', 0} end
    redis.call('HSET', claim, 'generation', generation)
    local c = redis.call('HMGET', claim, 'vm', 'task', 'attempt')
    if c[1] then
      local held = redis.call('HMGET', 'gs:vm:' .. c[1], 'power', 'owner')
      if held[1] and held[1] ~= 'deleting' and held[1] ~= 'gone' and held[2] == gitspace then return {'held', c[1], tonumber(c[3] or '1')} end
      redis.call('HDEL', claim, 'vm')
    end
    local attempt = 1
    if c[2] == task then attempt = tonumber(c[3] or '0') + 1 end
    if attempt > tonumber(ARGV[7]) then return {'exhausted', '', attempt} end
    while true do
      local oldest = redis.call('ZRANGE', warm, 0, 0)[1]
      if not oldest then break end
      redis.call('ZREM', warm, oldest)
      local f = redis.call('HMGET', 'gs:vm:' .. oldest, 'power', 'agent', 'owner')
      if f[1] == 'running' and f[2] == 'ready' and f[3] == '' then
        redis.call('HSET', 'gs:vm:' .. oldest, 'owner', gitspace, 'generation', generation, 'task', task, 'warm', '1')
        redis.call('HSET', slots, oldest, gitspace)
        redis.call('HSET', claim, 'vm', oldest, 'task', task, 'attempt', attempt)
        redis.call('PUBLISH', '${POOLS_CHANNEL}', pool)
        return {'warm', oldest, attempt}
      end
    end
    if redis.call('HLEN', slots) >= max then
      if redis.call('EXISTS', KEYS[4]) == 1 then return {'full', '', attempt} end
      for _, taker in ipairs(redis.call('HVALS', slots)) do
        if taker == '' then return {'coming', '', attempt} end
      end
      redis.call('SET', KEYS[4], '1', 'PX', ${FULL_MS})
      return {'full', '', attempt}
    end
    local id = pool .. '-' .. string.sub(redis.sha1hex(task .. '.' .. attempt), 1, 12)
    redis.call('HSET', slots, id, gitspace)
    redis.call('HSET', 'gs:vm:' .. id, 'id', id, 'pool', pool, 'power', 'making', 'agent', 'starting', 'createdAt', ARGV[6],
      'owner', gitspace, 'generation', generation, 'task', task, 'warm', '')
    redis.call('HSET', claim, 'vm', id, 'task', task, 'attempt', attempt)
    return {'cold', id, attempt}`,

  /** route, claim | route JSON, generation, vm, change JSON → 1 when set: the claim is still this VM's, no stop and no later generation came. */
  gsSetRoute: `${routes}
    local c = redis.call('HMGET', KEYS[2], 'vm', 'generation', 'stopped')
    if c[1] ~= ARGV[3] or tonumber(c[2] or '0') > tonumber(ARGV[2]) then return 0 end
    if tonumber(c[3] or '0') >= tonumber(ARGV[2]) then return 0 end
    local present = readRoute(KEYS[1])
    if present and present.generation > tonumber(ARGV[2]) then return 0 end
    redis.call('SET', KEYS[1], ARGV[1])
    redis.call('PUBLISH', '${ROUTES_CHANNEL}', ARGV[4])
    return 1`,

  /** route | generation, change JSON, vm or '' → 1. A route of a later generation, or to another VM than the named one, stays. */
  gsRemoveRoute: `${routes}
    local route = readRoute(KEYS[1])
    if route and route.generation > tonumber(ARGV[1]) then return 0 end
    if ARGV[3] ~= '' and (not route or route.instanceId ~= ARGV[3]) then return 0 end
    redis.call('DEL', KEYS[1])
    redis.call('PUBLISH', '${ROUTES_CHANNEL}', ARGV[2])
    return 1`,
} as const;
