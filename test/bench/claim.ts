// Step (a) of a claim, the reservation in Redis, with 10, 1,000 and 10,000 warm VMs; beside it a claim that reads every record.
import type { PoolSpec } from "@gitspaces/contracts";
import { redisKeys } from "@gitspaces/contracts";
import type { Redis } from "ioredis";
import { claimStore } from "../../apps/runner/src/claim-store.ts";
import { redisMemory } from "../../apps/runner/src/redis-memory.ts";
import { startRedis } from "../../apps/runner/src/testing/redis-server.ts";
import { monotonicMs, percentile, rounded } from "./figures.ts";

const sizes = [10, 1_000, 10_000] as const;
const WARM_UP = 50;
/** The contender takes so long at 10,000 that a few of its claims say enough. */
const contended = { 10: 100, 1_000: 30, 10_000: 10 } as const;

type Take = (pool: PoolSpec, gitspaceId: string, task: string) => Promise<string>;

/** Milliseconds per claim at each size, the sizes in turn, on a Redis of its own that writes its log. */
export async function claim(runs: number): Promise<Record<string, number>> {
  await using server = await startRedis();
  const redis = server.connect();
  await redisMemory(redis).vouchAfter(() => Promise.resolve(true));
  const pools = sizes.map((size) => poolOf(size));
  for (const pool of pools) await fill(redis, pool);

  const claims = claimStore(redis);
  const ours: Take = async (pool, gitspaceId, task) => {
    const reserved = await claims.reserve({ gitspaceId, generation: 1, id: task }, pool, Date.now());
    if (!("id" in reserved) || reserved.outcome !== "warm") throw new Error(`no warm VM: ${reserved.outcome}`);
    return reserved.id;
  };
  const theirs = readsEverything(redis);

  for (let run = 0; run < WARM_UP; run++) for (const pool of pools) await timed(redis, pool, ours, run);
  const tookMs = new Map(sizes.map((size) => [size, [] as number[]]));
  const contenderMs = new Map(sizes.map((size) => [size, [] as number[]]));
  for (let run = 0; run < runs; run++) {
    for (const [index, size] of sizes.entries()) {
      const pool = pools[index];
      if (pool === undefined) continue;
      tookMs.get(size)?.push(await timed(redis, pool, ours, run));
    }
  }
  // Afterwards: the garbage that it leaves would be collected in our time.
  for (const [index, size] of sizes.entries()) {
    const pool = pools[index];
    if (pool === undefined) continue;
    for (let run = 0; run < contended[size]; run++) contenderMs.get(size)?.push(await timed(redis, pool, theirs, run));
  }
  const of = (from: Map<number, number[]>, size: number, share: number) =>
    rounded(percentile(from.get(size) ?? [], share));
  return {
    p50_ms_10: of(tookMs, 10, 0.5),
    p50_ms_1000: of(tookMs, 1_000, 0.5),
    p50_ms_10000: of(tookMs, 10_000, 0.5),
    p99_ms_10: of(tookMs, 10, 0.99),
    p99_ms_1000: of(tookMs, 1_000, 0.99),
    p99_ms_10000: of(tookMs, 10_000, 0.99),
    full_p50_ms_10000: rounded(percentile(await whenFull(redis, claims, runs), 0.5)),
    contender_p50_ms_10: of(contenderMs, 10, 0.5),
    contender_p50_ms_1000: of(contenderMs, 1_000, 0.5),
    contender_p50_ms_10000: of(contenderMs, 10_000, 0.5),
    runs,
  };
}

function poolOf(size: number): PoolSpec {
  return { name: `p${size}`, type: "process", warm: size, max: size, image: "default", isDefault: false };
}

/** As many VMs on record as the pool is large, each ready and nobody's. */
async function fill(redis: Redis, { name, max }: PoolSpec): Promise<void> {
  for (let from = 0; from < max; from += 500) {
    const pipeline = redis.pipeline();
    for (let index = from; index < Math.min(max, from + 500); index++) {
      const id = `${name}-${index.toString(16).padStart(12, "0")}`;
      pipeline.hset(redisKeys.vm(id), {
        id,
        pool: name,
        power: "running",
        agent: "ready",
        createdAt: index + 1,
        owner: "",
        address: "10.74.1.2",
        port: 8083,
        version: "1",
        key: "k".repeat(43),
      });
      pipeline.hset(redisKeys.slots(name), id, "");
      pipeline.zadd(redisKeys.warm(name), index + 1, id);
    }
    await pipeline.exec();
  }
}

/** How long one claim takes. What it took is given back, so that the pool stays as large as it is. */
async function timed(redis: Redis, pool: PoolSpec, take: Take, run: number): Promise<number> {
  const gitspaceId = `g-${pool.name}-${run}`;
  const begunAt = monotonicMs();
  const id = await take(pool, gitspaceId, `task-${run}`);
  const tookMs = monotonicMs() - begunAt;
  const createdAt = Number((await redis.hget(redisKeys.vm(id), "createdAt")) ?? 0);
  await redis
    .multi()
    .hset(redisKeys.vm(id), "owner", "")
    .hdel(redisKeys.vm(id), "generation", "task", "warm")
    .hset(redisKeys.slots(pool.name), id, "")
    .zadd(redisKeys.warm(pool.name), createdAt, id)
    .del(redisKeys.claim(gitspaceId))
    .exec();
  return tookMs;
}

/** As one would do it without an index: read all, pick the oldest free one, take it if nobody was faster. */
function readsEverything(redis: Redis): Take {
  return async ({ name }, gitspaceId) => {
    for (;;) {
      const ids = await redis.hkeys(redisKeys.slots(name));
      const reading = redis.pipeline();
      for (const id of ids) reading.hgetall(redisKeys.vm(id));
      const records = ((await reading.exec()) ?? []).map(([, record]) => record as Record<string, string>);
      const [free] = records
        .filter(({ power, agent, owner }) => power === "running" && agent === "ready" && owner === "")
        .toSorted((a, b) => Number(a["createdAt"]) - Number(b["createdAt"]));
      const id = free?.["id"];
      if (id === undefined) throw new Error("no warm VM");
      await redis.watch(redisKeys.vm(id));
      if ((await redis.hget(redisKeys.vm(id), "owner")) !== "") continue;
      const taking = redis
        .multi()
        .hset(redisKeys.vm(id), "owner", gitspaceId)
        .hset(redisKeys.slots(name), id, gitspaceId)
        .zrem(redisKeys.warm(name), id)
        .hset(redisKeys.claim(gitspaceId), "vm", id);
      if ((await taking.exec()) !== null) return id;
    }
  };
}

/** How long it takes to hear that there is none, with 10,000 VMs in use. */
async function whenFull(redis: Redis, claims: ReturnType<typeof claimStore>, runs: number): Promise<number[]> {
  const pool = { ...poolOf(10_000), name: "full" };
  const pipeline = redis.pipeline();
  for (let index = 0; index < pool.max; index++)
    pipeline.hset(redisKeys.slots(pool.name), `full-${index}`, `g-${index}`);
  await pipeline.exec();
  const tookMs: number[] = [];
  for (let run = 0; run < Math.min(runs, 200); run++) {
    const begunAt = monotonicMs();
    const { outcome } = await claims.reserve({ gitspaceId: `late-${run}`, generation: 1, id: `t-${run}` }, pool, 1);
    if (outcome !== "full") throw new Error(`not full: ${outcome}`);
    tookMs.push(monotonicMs() - begunAt);
  }
  return tookMs;
}
