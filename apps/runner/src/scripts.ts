// What Redis does in one step: each script is a compare-and-set over the records of VMs, claims and routes.
import { redisKeys, ROUTES_CHANNEL } from "@gitspaces/contracts";
import type { Redis } from "ioredis";

/** A deleted Gitspace is remembered for so long, far beyond the deadline of every task it could still be sent. */
const TOMBSTONE_MS = 7 * 24 * 60 * 60 * 1_000;
/** Told whenever a pool's VMs change, so that whoever holds its lease looks at once. */
export const POOLS_CHANNEL = "gs:pools";

/** Runs a script with keys and arguments; the answer is `unknown` until somebody has read it. */
export type Script = (keys: string[], args: (string | number)[]) => Promise<unknown>;

/** Defines a script on the connection, so that only its digest travels. */
export function defineScript(redis: Redis, name: string, lua: string): Script {
  redis.defineCommand(name, { lua });
  const run = (redis as unknown as Record<string, (...args: (string | number)[]) => Promise<unknown>>)[name];
  if (run === undefined) throw new Error(`the script ${name} was not defined`);
  return (keys, args) => run.call(redis, keys.length, ...keys, ...args);
}

/**
 * Each owner of state keeps the highest generation it has seen. A lower one is superseded; after a stop the starts of the same
 * generation are; after a delete everything but the delete is.
 */
const fence = `
local function superseded(claim, generation, purpose)
  local f = redis.call('HMGET', claim, 'generation', 'stopped', 'destroyed')
  if generation < tonumber(f[1] or '0') then return true end
  if f[3] and purpose ~= 'destroy' then return true end
  return purpose == 'provision' and generation <= tonumber(f[2] or '0')
end
`;

/**
 * After a restart, a failover or a wipe Redis may have forgotten what it acknowledged. What depends on every record being there
 * waits until they have been compared with the provider in this very Redis process.
 */
const whole = `
local function run()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or '-'
end
local function isWhole()
  return redis.call('GET', '${redisKeys.whole("records")}') == run()
end
`;

/** What was planned under a lease is not done any more once another runner has the lease: its plan counts. */
const planner = `
local function isStale(lease, epoch)
  return epoch ~= '' and redis.call('HGET', lease, 'epoch') ~= epoch
end
`;

/** Looking through ten thousand slots takes a while, so what was seen counts this long, unless a VM of the stock gets one. */
const FULL_MS = 200;

export const scripts = {
  /** → 1 while every record is known to be there. */
  gsIsWhole: `${whole}
    return isWhole() and 1 or 0`,

  /** rebuild | ttl ms → 1. A comparison of records and provider begins. */
  gsBeginRebuild: `${whole}
    redis.call('SET', KEYS[1], run(), 'PX', ARGV[1])
    return 1`,

  /** rebuild, whole | news JSON → 1 when nothing was lost since the comparison began: the records are whole. */
  gsEndRebuild: `${whole}
    local run = run()
    if redis.call('GET', KEYS[1]) ~= run then return 0 end
    redis.call('DEL', KEYS[1])
    if redis.call('GET', KEYS[2]) == run then return 1 end
    redis.call('SET', KEYS[2], run)
    redis.call('PUBLISH', '${ROUTES_CHANNEL}', ARGV[1])
    return 1`,

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
  gsLock: `
    local t = redis.call('TIME')
    local now = t[1] * 1000 + math.floor(t[2] / 1000)
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
   * A Gitspace that holds a VM gets that one; else the oldest warm VM; else a slot under max, for a VM named by task and attempt.
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
      local power = redis.call('HGET', 'gs:vm:' .. c[1], 'power')
      if power and power ~= 'deleting' and power ~= 'gone' then return {'held', c[1], tonumber(c[3] or '1')} end
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

  /** slots, vm, lease, full | id, pool, max, now, epoch or '' → 1 when the new VM of the stock got a slot. Counting needs every record to be there. */
  gsAddStock: `${whole}${planner}
    if not isWhole() or isStale(KEYS[3], ARGV[5]) then return 0 end
    if redis.call('EXISTS', KEYS[2]) == 1 then return 1 end
    if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
    redis.call('HSET', KEYS[1], ARGV[1], '')
    redis.call('DEL', KEYS[4])
    redis.call('HSET', KEYS[2], 'id', ARGV[1], 'pool', ARGV[2], 'power', 'making', 'agent', 'starting', 'createdAt', ARGV[4], 'owner', '')
    return 1`,

  /** vm | address, port, version → 1 when the VM that was being made runs now. */
  gsRunning: `
    local power = redis.call('HGET', KEYS[1], 'power')
    if power ~= 'making' and power ~= 'running' then return 0 end
    redis.call('HSET', KEYS[1], 'power', 'running', 'address', ARGV[1], 'port', ARGV[2], 'version', ARGV[3])
    return 1`,

  /** vm | version */
  gsVersion: `
    if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
    redis.call('HSET', KEYS[1], 'version', ARGV[1])
    return 1`,

  /** vm | key fingerprint → 1 when the instance is on record and has no other key. */
  gsEnrol: `
    local f = redis.call('HMGET', KEYS[1], 'power', 'key')
    if not f[1] or f[1] == 'deleting' or f[1] == 'gone' then return 0 end
    if f[2] and f[2] ~= ARGV[1] then return 0 end
    redis.call('HSET', KEYS[1], 'key', ARGV[1])
    return 1`,

  /** vm, warm | agent state, reason → 1 when recorded. A ready VM without owner joins the warm ones, oldest first; a failed one leaves them. One with an owner does not fail. */
  gsAgent: `
    local f = redis.call('HMGET', KEYS[1], 'power', 'owner', 'createdAt', 'id', 'pool')
    if f[1] ~= 'running' or (ARGV[1] == 'failed' and f[2] ~= '') then return 0 end
    redis.call('HSET', KEYS[1], 'agent', ARGV[1], 'reason', ARGV[2])
    if ARGV[1] == 'ready' and f[2] == '' then redis.call('ZADD', KEYS[2], f[3], f[4]) end
    if ARGV[1] == 'failed' then redis.call('ZREM', KEYS[2], f[4]) end
    redis.call('PUBLISH', '${POOLS_CHANNEL}', f[5])
    return 1`,

  /** vm, warm, lease | epoch or '' → 1 when the VM has no owner and may be removed. It can no longer be claimed then. A lost claim counts as an owner. */
  gsTakeStock: `${whole}${planner}
    if not isWhole() or isStale(KEYS[3], ARGV[1]) then return 0 end
    local f = redis.call('HMGET', KEYS[1], 'owner', 'id')
    if not f[2] or f[1] ~= '' then return 0 end
    redis.call('ZREM', KEYS[2], f[2])
    redis.call('HSET', KEYS[1], 'power', 'deleting')
    return 1`,

  /** vm, claim | holder or '' → 1 when the VM is on its way out: the named holder still has the Gitspace's lock. The claim stays until the VM is gone. */
  gsDeleting: `
    if ARGV[1] ~= '' and redis.call('HGET', KEYS[2], 'lockedBy') ~= ARGV[1] then return 0 end
    if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'power', 'deleting') end
    return 1`,

  /** vm, warm, slots, claim | id, pool. The VM is gone: slot and claim are free. */
  gsForget: `
    redis.call('DEL', KEYS[1])
    redis.call('ZREM', KEYS[2], ARGV[1])
    redis.call('HDEL', KEYS[3], ARGV[1])
    if redis.call('HGET', KEYS[4], 'vm') == ARGV[1] then redis.call('HDEL', KEYS[4], 'vm') end
    redis.call('PUBLISH', '${POOLS_CHANNEL}', ARGV[2])
    return 1`,

  /** vm, warm | id, and every field and value that was read → 1 when the record was still so and is no more. Its slot stays taken. */
  gsDiscard: `
    if redis.call('HLEN', KEYS[1]) ~= (#ARGV - 1) / 2 then return 0 end
    for i = 2, #ARGV, 2 do
      if redis.call('HGET', KEYS[1], ARGV[i]) ~= ARGV[i + 1] then return 0 end
    end
    redis.call('DEL', KEYS[1])
    redis.call('ZREM', KEYS[2], ARGV[1])
    return 1`,

  /** vm, warm, slots | id, pool → 1 when the slot of a VM without a record is free now. */
  gsFreeSlot: `
    if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
    redis.call('ZREM', KEYS[2], ARGV[1])
    redis.call('HDEL', KEYS[3], ARGV[1])
    redis.call('PUBLISH', '${POOLS_CHANNEL}', ARGV[2])
    return 1`,

  /**
   * vm, slots, claim, warm | id, pool, createdAt, address, port, version, key, owner, generation, task, ready, seen
   * → 1 when the record was rebuilt from what provider and agent say. What is on record is never overwritten, but for an owner
   * whose claim was lost: a label is written after its claim and never cleared.
   * The generation is that of the claim; `seen` is the highest one known of the Gitspace: a start later than the last stop may hold
   * a VM whose claim is older than it.
   */
  gsAdopt: `
    local owner = ARGV[8]
    local present = redis.call('HMGET', KEYS[1], 'id', 'owner', 'power')
    if present[1] and (present[2] ~= '' or owner == '' or present[3] == 'deleting') then return 0 end
    if owner ~= '' then
      local c = redis.call('HMGET', KEYS[3], 'vm', 'destroyed', 'stopped', 'generation')
      if c[1] and c[1] ~= ARGV[1] then return 0 end
      if c[2] or tonumber(c[3] or '0') >= tonumber(ARGV[12]) then return 0 end
      redis.call('HSET', KEYS[3], 'vm', ARGV[1], 'task', ARGV[10], 'attempt', 1)
      if tonumber(c[4] or '0') < tonumber(ARGV[12]) then redis.call('HSET', KEYS[3], 'generation', ARGV[12]) end
    end
    redis.call('ZREM', KEYS[4], ARGV[1])
    redis.call('HSET', KEYS[2], ARGV[1], owner)
    redis.call('HSET', KEYS[1], 'id', ARGV[1], 'pool', ARGV[2], 'power', 'running', 'agent', ARGV[11], 'createdAt', ARGV[3],
      'address', ARGV[4], 'port', ARGV[5], 'version', ARGV[6], 'owner', owner)
    if ARGV[7] ~= '' then redis.call('HSET', KEYS[1], 'key', ARGV[7]) end
    if owner ~= '' then redis.call('HSET', KEYS[1], 'generation', ARGV[9], 'task', ARGV[10], 'warm', '') end
    if owner == '' and ARGV[11] == 'ready' then redis.call('ZADD', KEYS[4], ARGV[3], ARGV[1]) end
    return 1`,

  /** vm | address, port, version, key → 1 when the claimed VM is on record as up. What came after its making was lost. */
  gsCameUp: `
    local f = redis.call('HMGET', KEYS[1], 'owner', 'power', 'key')
    if not f[1] or f[1] == '' or (f[2] ~= 'making' and f[2] ~= 'running') or (f[3] and f[3] ~= ARGV[4]) then return 0 end
    redis.call('HSET', KEYS[1], 'power', 'running', 'agent', 'ready', 'address', ARGV[1], 'port', ARGV[2], 'version', ARGV[3], 'key', ARGV[4])
    return 1`,

  /** vm, slots | id, owner → 1. A VM without a record takes a slot too. */
  gsHoldSlot: `
    if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[2]) end
    return 1`,

  /** route, claim | route JSON, generation, vm, change JSON → 1 when set: the claim is still this VM's, no stop and no later generation came. */
  gsSetRoute: `
    local c = redis.call('HMGET', KEYS[2], 'vm', 'generation', 'stopped')
    if c[1] ~= ARGV[3] or tonumber(c[2] or '0') > tonumber(ARGV[2]) then return 0 end
    if tonumber(c[3] or '0') >= tonumber(ARGV[2]) then return 0 end
    local present = redis.call('GET', KEYS[1])
    if present and cjson.decode(present).generation > tonumber(ARGV[2]) then return 0 end
    redis.call('SET', KEYS[1], ARGV[1])
    redis.call('PUBLISH', '${ROUTES_CHANNEL}', ARGV[4])
    return 1`,

  /** route | generation, change JSON, vm or '' → 1. A route of a later generation, or to another VM than the named one, stays. */
  gsRemoveRoute: `
    local present = redis.call('GET', KEYS[1])
    local route = present and cjson.decode(present)
    if route and route.generation > tonumber(ARGV[1]) then return 0 end
    if ARGV[3] ~= '' and (not route or route.instanceId ~= ARGV[3]) then return 0 end
    redis.call('DEL', KEYS[1])
    redis.call('PUBLISH', '${ROUTES_CHANNEL}', ARGV[2])
    return 1`,

  /** lease | holder, ttl ms → the lease's epoch while it is the holder's, else 0. Taking it again renews it. */
  gsLease: `
    local t = redis.call('TIME')
    local now = t[1] * 1000 + math.floor(t[2] / 1000)
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
