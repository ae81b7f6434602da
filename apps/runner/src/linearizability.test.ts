import { redisKeys, type PoolSpec } from "@gitspaces/contracts";
import { createLog } from "@gitspaces/daemon";
import type { Redis } from "ioredis";
import { afterAll, expect, test } from "vitest";
import { claimStore, MAX_ATTEMPTS, type Purpose } from "./claim-store.ts";
import { redisMemory } from "./redis-memory.ts";
import { isLinearizable, type Operation, type Sequential } from "./testing/linearizable.ts";
import { startRedis } from "./testing/redis-server.ts";
import { vmStore } from "./vm-store.ts";

const HISTORIES = 10_000;
const CONNECTIONS = 4;
const EACH = 3;
const AT_ONCE = 20;
/** A VM made for a Gitspace, beside the warm ones 0 and 1. */
const COLD = 10;
const FOR_EVER_MS = 3_600_000;
const seed = Number(process.env["GITSPACES_SEED"] ?? Date.now() % 2 ** 31);
const log = createLog("runner", "silent");
const server = await startRedis();
afterAll(async () => await server[Symbol.asyncDispose]());

type Input =
  | { do: "enter"; who: number; generation: number; purpose: Purpose }
  | { do: "reserve"; who: number; generation: number }
  | { do: "forget"; who: number; vm: number }
  | { do: "route"; who: number; generation: number; vm: number }
  | { do: "lock" | "unlock"; who: number; holder: string }
  | { do: "lease"; holder: string }
  | { do: "leave"; holder: string };
type Claim = {
  vm: number | null;
  task: number;
  attempt: number;
  generation: number;
  stopped: number;
  lockedBy: string | null;
};
type State = {
  claims: [Claim, Claim];
  warm: number[];
  slots: number[];
  routes: [number | null, number | null];
  lease: { holder: string | null; isOver: boolean; epoch: number };
};

/** What the API promises, one operation at a time: two warm VMs, as many slots, two Gitspaces. */
const promised: Sequential<State, Input, unknown> = {
  begin: () => ({
    claims: [claimless(), claimless()],
    warm: [0, 1],
    slots: [0, 1],
    routes: [null, null],
    lease: { holder: null, isOver: true, epoch: 0 },
  }),
  apply(before, input) {
    const state = structuredClone(before);
    return { output: answered(state, input), state };
  },
};
function nameOf(vm: number): string {
  return vm >= COLD ? "cold" : String(vm);
}
function claimless(): Claim {
  return { vm: null, task: 0, attempt: 0, generation: 0, stopped: 0, lockedBy: null };
}

function answered(state: State, input: Input): unknown {
  const { lease } = state;
  if (input.do === "lease") {
    if (lease.holder === input.holder) {
      lease.isOver = false;
      return lease.epoch;
    }
    if (lease.holder !== null && !lease.isOver) return null;
    state.lease = { holder: input.holder, isOver: false, epoch: lease.epoch + 1 };
    return lease.epoch + 1;
  }
  if (input.do === "leave") {
    if (lease.holder === input.holder) lease.isOver = true;
    return null;
  }
  const claim = state.claims[input.who] ?? claimless();
  switch (input.do) {
    case "enter": {
      const isLate = input.purpose === "provision" && input.generation <= claim.stopped;
      if (input.generation < claim.generation || isLate) return "superseded";
      claim.generation = input.generation;
      if (input.purpose === "stop") claim.stopped = input.generation;
      return "entered";
    }
    case "reserve": {
      if (input.generation < claim.generation || input.generation <= claim.stopped) return "superseded";
      claim.generation = input.generation;
      // A VM that was forgotten in another's name is still in the claim, and no longer there.
      if (claim.vm !== null && state.slots.includes(claim.vm)) return `held ${nameOf(claim.vm)}`;
      claim.vm = null;
      const attempt = claim.task === input.generation ? claim.attempt + 1 : 1;
      if (attempt > MAX_ATTEMPTS) return "exhausted";
      const oldest = state.warm.shift();
      if (oldest === undefined && state.slots.length >= 2) return "full";
      const vm = oldest ?? COLD + input.who;
      if (oldest === undefined) state.slots.push(vm);
      Object.assign(claim, { vm, attempt, task: input.generation });
      return oldest === undefined ? "cold" : `warm ${vm}`;
    }
    case "forget":
      state.warm = state.warm.filter((vm) => vm !== input.vm);
      state.slots = state.slots.filter((vm) => vm !== input.vm);
      if (claim.vm === input.vm) claim.vm = null;
      return null;
    case "route": {
      const present = state.routes[input.who] ?? 0;
      if (claim.vm !== input.vm || claim.generation > input.generation || claim.stopped >= input.generation)
        return false;
      if (present > input.generation) return false;
      state.routes[input.who] = input.generation;
      return true;
    }
    case "lock": {
      const isHeld = claim.lockedBy === null || claim.lockedBy === input.holder;
      if (isHeld) claim.lockedBy = input.holder;
      return [isHeld, claim.generation];
    }
    default:
      if (claim.lockedBy === input.holder) claim.lockedBy = null;
      return null;
  }
}

type Api = { claims: ReturnType<typeof claimStore>; store: ReturnType<typeof vmStore>; redis: Redis };
type Reserve = (
  api: Api,
  input: Extract<Input, { do: "reserve" }>,
  pool: PoolSpec,
  gitspaceId: string,
) => Promise<string>;

/** Each history has a pool and Gitspaces of its own. */
async function asked(api: Api, input: Input, name: string, reserve: Reserve): Promise<unknown> {
  const { claims, store } = api;
  const pool: PoolSpec = { name, type: "process", warm: 2, max: 2, image: "default", isDefault: true };
  if (input.do === "lease") return (await store.lease(name, input.holder)) ?? null;
  if (input.do === "leave") return (await store.leaveLease(name, input.holder)) ?? null;
  const gitspaceId = `g${input.who}-${name}`;
  switch (input.do) {
    case "enter":
      return await claims.enter(gitspaceId, input.generation, input.purpose, AbortSignal.timeout(60_000)).then(
        () => "entered",
        () => "superseded",
      );
    case "reserve":
      return await reserve(api, input, pool, gitspaceId);
    case "forget":
      return (await store.forget(`${name}-${input.vm}`, name, gitspaceId)) ?? null;
    case "route": {
      const at = { address: "127.0.0.1", port: 1, keyFingerprint: "k" };
      return await claims.setRoute({
        gitspaceId,
        generation: input.generation,
        instanceId: `${name}-${input.vm}`,
        ...at,
      });
    }
    case "lock": {
      const { isHeld, generation } = await claims.lock(gitspaceId, input.holder, FOR_EVER_MS);
      return [isHeld, generation];
    }
    default:
      return (await claims.unlock(gitspaceId, input.holder)) ?? null;
  }
}

const inOneStep: Reserve = async ({ claims }, { generation }, pool, gitspaceId) => {
  const reserved = await claims.reserve({ gitspaceId, generation, id: `${gitspaceId}-${generation}` }, pool, 1);
  if (!("id" in reserved) || reserved.outcome === "cold") return reserved.outcome;
  const warm = [0, 1].find((vm) => reserved.id === `${pool.name}-${vm}`);
  return `${reserved.outcome} ${nameOf(warm ?? COLD)}`;
};
/** As one would write it without a script: look, then write. */
const inTwoSteps: Reserve = async ({ redis }, { generation }, pool, gitspaceId) => {
  const claim = redisKeys.claim(gitspaceId);
  const held = await redis.hget(claim, "vm");
  const [oldest] = await redis.zrange(redisKeys.warm(pool.name), "0", "0");
  if (held) return `held ${held.slice(-1)}`;
  if (oldest === undefined) return "full";
  await redis.zrem(redisKeys.warm(pool.name), oldest);
  await redis.hset(claim, "vm", oldest, "generation", String(generation));
  return `warm ${oldest.slice(-1)}`;
};

function draws(from: number): (below: number) => number {
  let state = from >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

function anyInput(draw: (below: number) => number, caller: number): Input {
  const [who, generation, vm] = [draw(2), 1 + draw(3), draw(2)];
  const holder = `h${caller % 3}`;
  const inputs: Input[] = [
    { do: "reserve", who, generation },
    { do: "reserve", who, generation },
    { do: "reserve", who, generation },
    { do: "enter", who, generation, purpose: draw(3) === 0 ? "stop" : "provision" },
    { do: "route", who, generation, vm },
    { do: "lock", who, holder },
    { do: "unlock", who, holder },
    { do: "lease", holder },
    { do: "leave", holder },
    { do: "forget", who, vm },
  ];
  return inputs[draw(inputs.length)] ?? { do: "lease", holder };
}

async function history(name: string, apis: readonly Api[], reserve: Reserve, draw: (below: number) => number) {
  const [{ redis }] = apis as [Api];
  const made = { pool: name, power: "running", agent: "ready", createdAt: "1", owner: "" };
  const pipeline = redis.pipeline();
  for (const vm of [0, 1]) {
    const id = `${name}-${vm}`;
    pipeline.hset(redisKeys.vm(id), { ...made, id }).hset(redisKeys.slots(name), id, "");
    pipeline.zadd(redisKeys.warm(name), vm, id);
  }
  await pipeline.exec();
  let clock = 0;
  const operations: Operation<Input, unknown>[] = [];
  await Promise.all(
    apis.map(async (api, caller) => {
      const inputs = Array.from({ length: EACH }, () => anyInput(draw, caller));
      for (const input of inputs) {
        const begunAt = clock++;
        const output = await asked(api, input, name, reserve);
        operations.push({ input, output, begunAt, endedAt: clock++ });
      }
    }),
  );
  return operations;
}

async function histories(count: number, reserve: Reserve): Promise<Operation<Input, unknown>[][]> {
  const apis = Array.from({ length: CONNECTIONS }, (): Api => {
    const redis = server.connect();
    return { redis, claims: claimStore(redis), store: vmStore(redis, log) };
  });
  const [first] = apis as [Api];
  await first.redis.flushall();
  await redisMemory(first.redis).vouchAfter(async () => true);
  const draw = draws(seed);
  const all: Operation<Input, unknown>[][] = [];
  for (let from = 0; from < count; from += AT_ONCE) {
    const names = Array.from({ length: Math.min(AT_ONCE, count - from) }, (_each, index) => `p${from + index}`);
    all.push(...(await Promise.all(names.map((name) => history(name, apis, reserve, draw)))));
  }
  return all;
}

test(`I1 I6 E20: every concurrent history of claims, locks and leases is that of some order (seed ${seed})`, {
  timeout: 180_000,
}, async () => {
  const broken = (await histories(HISTORIES, inOneStep)).filter((each) => !isLinearizable(each, promised));
  expect(broken.slice(0, 1)).toEqual([]);
});

test(`I1 E20: a claim in two steps is caught (seed ${seed})`, { timeout: 60_000 }, async () => {
  const all = await histories(500, inTwoSteps);
  expect(all.filter((each) => !isLinearizable(each, promised)).length).toBeGreaterThan(0);
});
