// The stock of a pool, its slots and its lease, as scripts.
import { POOLS_CHANNEL } from "./script.ts";
import { clock, planner, whole } from "./script-fences.ts";

export const poolScripts = {
  /** slots, vm, lease, full | id, pool, max, now, epoch or '' → 1 when the new VM of the stock got a slot. Counting needs every record to be there. */
  gsAddStock: `${whole}${planner}
    if not isWhole() or isStale(KEYS[3], ARGV[5]) then return 0 end
    if redis.call('EXISTS', KEYS[2]) == 1 then return 1 end
    if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
    redis.call('HSET', KEYS[1], ARGV[1], '')
    redis.call('DEL', KEYS[4])
    redis.call('HSET', KEYS[2], 'id', ARGV[1], 'pool', ARGV[2], 'power', 'making', 'agent', 'starting', 'createdAt', ARGV[4], 'owner', '')
    return 1`,

  /** vm, warm, lease | epoch or '' → 1 when the VM has no owner and may be removed. It can no longer be claimed then. A lost claim counts as an owner. */
  gsTakeStock: `${whole}${planner}
    if not isWhole() or isStale(KEYS[3], ARGV[1]) then return 0 end
    local f = redis.call('HMGET', KEYS[1], 'owner', 'id')
    if not f[2] or f[1] ~= '' then return 0 end
    redis.call('ZREM', KEYS[2], f[2])
    redis.call('HSET', KEYS[1], 'power', 'deleting')
    return 1`,

  /** vm, slots | id, owner → 1. A VM without a record takes a slot too. */
  gsHoldSlot: `
    if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[2]) end
    return 1`,

  /** vm, warm, slots | id, pool → 1 when the slot of a VM without a record is free now. */
  gsFreeSlot: `
    if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
    redis.call('ZREM', KEYS[2], ARGV[1])
    redis.call('HDEL', KEYS[3], ARGV[1])
    redis.call('PUBLISH', '${POOLS_CHANNEL}', ARGV[2])
    return 1`,

  /** lease | holder, ttl ms → the lease's epoch while it is the holder's, else 0. Taking it again renews it. */
  gsLease: `${clock}
    local f = redis.call('HMGET', KEYS[1], 'holder', 'until', 'epoch')
    local epoch = tonumber(f[3] or '0')
    if f[1] ~= ARGV[1] then
      if f[1] and tonumber(f[2]) > now then return 0 end
      epoch = epoch + 1
    end
    redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'until', now + ARGV[2], 'epoch', epoch)
    return epoch`,

  /** lease | holder */
  gsLeaveLease: `
    if redis.call('HGET', KEYS[1], 'holder') == ARGV[1] then redis.call('HSET', KEYS[1], 'until', 0) end
    return 1`,
} as const;
