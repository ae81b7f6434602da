// What scripts refuse before they write: a generation that is too low, records that may be lost, a plan that is stale.
import { redisKeys } from "@gitspaces/contracts";

/**
 * Each owner of state keeps the highest generation it has seen. A lower one is superseded; after a stop the starts of the same
 * generation are; after a delete everything but the delete is.
 */
export const fence = `
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
export const whole = `
local function run()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or '-'
end
local function isWhole()
  return redis.call('GET', '${redisKeys.whole("records")}') == run()
end
`;

/** What was planned under a lease is not done any more once another runner has the lease: its plan counts. */
export const planner = `
local function isStale(lease, epoch)
  return epoch ~= '' and redis.call('HGET', lease, 'epoch') ~= epoch
end
`;

/** A route that cannot be read counts as none: it is written over, or removed by the next comparison. */
export const routes = `
local function readRoute(key)
  local text = redis.call('GET', key)
  local isRead, route = pcall(cjson.decode, text or '')
  if isRead and type(route) == 'table' and type(route.generation) == 'number' then return route end
  return nil
end
`;

/** The one clock that every runner shares, in milliseconds. */
export const clock = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
`;
