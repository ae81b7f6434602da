// Everything about a daemon's Redis that needs no client of it.
export { REDIS_FACTS, type RedisDurability, refuseUnfitRedis } from "./redis-facts.ts";
export { isRedisUrl, parseRedisUrl, REDIS_URL_FORMS, type RedisPlace } from "./redis-url.ts";
