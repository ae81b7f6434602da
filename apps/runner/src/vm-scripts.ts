// The life of a VM on record, as scripts.
import { POOLS_CHANNEL } from "./script.ts";

export const vmScripts = {
  /** vm | address, port, version → 1 when the VM that was being made runs now. */
  gsRunning: `
    local power = redis.call('HGET', KEYS[1], 'power')
    if power ~= 'making' and power ~= 'running' then return 0 end
    redis.call('HSET', KEYS[1], 'power', 'running', 'address', ARGV[1], 'port', ARGV[2], 'version', ARGV[3])
    return 1`,

  /** vm | address, port, version, key → 1 when the claimed VM is on record as up. What came after its making was lost. */
  gsCameUp: `
    local f = redis.call('HMGET', KEYS[1], 'owner', 'power', 'key')
    if not f[1] or f[1] == '' or (f[2] ~= 'making' and f[2] ~= 'running') or (f[3] and f[3] ~= ARGV[4]) then return 0 end
    redis.call('HSET', KEYS[1], 'power', 'running', 'agent', 'ready', 'address', ARGV[1], 'port', ARGV[2], 'version', ARGV[3], 'key', ARGV[4])
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
} as const;
