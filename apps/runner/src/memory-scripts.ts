// Whether Redis still holds every record, as scripts.
import { ROUTES_CHANNEL } from "@gitspaces/contracts";
import { whole } from "./script-fences.ts";

export const memoryScripts = {
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
} as const;
