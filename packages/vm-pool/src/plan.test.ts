import { array, assert, boolean, constant, constantFrom, integer, property, record } from "fast-check";
import { expect, test } from "vitest";
import { type PoolAction, type PoolTarget, planPool } from "./plan.ts";
import { isWarm, takesSlot, type Vm } from "./vm.ts";

const COME_UP_MS = 60_000;
const NOW = 1_000_000;
const reach = { address: "127.0.0.1", port: 8083, keyFingerprint: "k" };
const owner = { gitspaceId: "hello-k3v9x2", generation: 1, taskId: "0190a0a0-0000-7000-8000-000000000000" };
const target = (over: Partial<PoolTarget> = {}): PoolTarget => ({
  warm: 2,
  max: 5,
  comeUpMs: COME_UP_MS,
  makingAtOnce: 8,
  ...over,
});

const making = (id: string, createdAt = NOW): Vm => ({ id, pool: "default", createdAt, owner: null, power: "making" });
const starting = (id: string, createdAt = NOW): Vm => ({
  ...making(id, createdAt),
  power: "running",
  agent: "starting",
});
const warm = (id: string, createdAt = NOW): Vm => ({
  ...making(id, createdAt),
  power: "running",
  agent: "ready",
  ...reach,
});
const owned = (id: string): Vm => ({ ...warm(id), owner });

test.each<[string, Vm[], Partial<PoolTarget>, PoolAction[]]>([
  ["an empty pool makes what is wanted", [], {}, [{ do: "create", count: 2 }]],
  ["a satisfied pool does nothing", [warm("a"), warm("b")], {}, []],
  ["VMs being made count as ready", [making("a"), starting("b")], {}, []],
  ["owned VMs do not count as ready", [owned("a"), owned("b")], {}, [{ do: "create", count: 2 }]],
  ["owned VMs count against max", [owned("a"), owned("b"), owned("c"), owned("d")], {}, [{ do: "create", count: 1 }]],
  ["a full pool makes none", [owned("a"), owned("b")], { max: 2 }, []],
  ["a VM being removed still takes its slot", [{ ...making("a"), power: "deleting" }], { max: 1 }, []],
  ["a VM that is gone takes none", [{ ...making("a"), power: "gone" }], { max: 1 }, [{ do: "create", count: 1 }]],
  [
    "only so many are made at once",
    [making("a", NOW)],
    { warm: 9, max: 9, makingAtOnce: 3 },
    [{ do: "create", count: 2 }],
  ],
  [
    "one that did not come up is removed, its slot not used yet",
    [making("a", 0)],
    { warm: 1, max: 1 },
    [{ do: "remove", id: "a", reason: "did not come up" }],
  ],
  ["a ready one is never too old", [warm("a", 0)], { warm: 1 }, []],
  [
    "a failed agent's VM is removed and replaced",
    [{ ...making("a"), power: "running", agent: "failed", reason: "x" }],
    { warm: 1 },
    [
      { do: "remove", id: "a", reason: "agent failed" },
      { do: "create", count: 1 },
    ],
  ],
  [
    "with fewer wanted, those not ready go first",
    [warm("a", 1), making("b"), warm("c", 2)],
    { warm: 1 },
    [
      { do: "remove", id: "b", reason: "more than wanted" },
      { do: "remove", id: "c", reason: "more than wanted" },
    ],
  ],
  [
    "one that holds what is out of date stays until another is made beside it",
    [warm("a", 0), warm("b")],
    { freshMs: 500_000 },
    [{ do: "create", count: 1 }],
  ],
  ["and while that one comes up", [warm("a", 0), warm("b"), making("c")], { freshMs: 500_000 }, []],
  [
    "then it goes",
    [warm("a", 0), warm("b"), warm("c")],
    { freshMs: 500_000 },
    [{ do: "remove", id: "a", reason: "holds what is out of date" }],
  ],
  [
    "one at a time, the oldest first",
    [warm("a", 0), warm("b", 1), warm("c")],
    { freshMs: 500_000 },
    [{ do: "remove", id: "a", reason: "holds what is out of date" }],
  ],
  ["without room it stays", [warm("a", 0), warm("b")], { freshMs: 500_000, max: 2 }, []],
  ["an owned VM is left alone however long it was made", [{ ...making("a", 0), owner }], { warm: 0 }, []],
])("%s", (_claim, observed, over, expected) => {
  expect(planPool(observed, target(over), NOW)).toEqual(expected);
});

const anyVm = record({
  createdAt: integer({ min: 0, max: NOW }),
  isOwned: boolean(),
  state: constantFrom("making", "starting", "ready", "failed", "suspended", "deleting", "gone"),
}).map(({ createdAt, isOwned, state }) => ({ ...shaped(state, createdAt), owner: isOwned ? owner : null }));
function shaped(state: string, createdAt: number): Vm {
  const base = { id: "", pool: "default", createdAt, owner: null };
  if (state === "starting") return { ...base, power: "running", agent: "starting" };
  if (state === "ready") return { ...base, power: "running", agent: "ready", ...reach };
  if (state === "failed") return { ...base, power: "running", agent: "failed", reason: "x" };
  if (state === "suspended") return { ...base, power: "suspended", ...reach };
  return { ...base, power: state as "making" | "deleting" | "gone" };
}
const anyPool = array(anyVm, { maxLength: 12 }).map((vms) => vms.map((vm, index) => ({ ...vm, id: `vm-${index}` })));
const anyTarget = record({
  warm: integer({ min: 0, max: 8 }),
  max: integer({ min: 1, max: 15 }),
  comeUpMs: constant(COME_UP_MS),
  makingAtOnce: integer({ min: 1, max: 4 }),
});
/** Fresh for long enough that the new ones of a round are. */
const anyAgeingTarget = record({
  wanted: anyTarget,
  freshMs: integer({ min: 20 * COME_UP_MS, max: 40 * COME_UP_MS }),
}).map(({ wanted, freshMs }) => ({ ...wanted, freshMs }));

/** Carries a plan out: removed VMs are gone, new ones are being made. */
function carryOut(vms: Vm[], plan: PoolAction[], now: number, name: string): Vm[] {
  const removed = new Set(plan.flatMap((action) => (action.do === "remove" ? [action.id] : [])));
  const created = plan.flatMap((action) =>
    action.do === "create" ? Array.from({ length: action.count }, (_, n) => making(`${name}-${n}`, now)) : [],
  );
  return [...vms.filter(({ id }) => !removed.has(id)), ...created];
}
/** What was being made comes up; what was being removed is gone. */
function settle(vms: Vm[]): Vm[] {
  return vms
    .filter(({ power }) => power !== "deleting" && power !== "gone")
    .map((vm) => (vm.owner === null && vm.power === "making" ? warm(vm.id, vm.createdAt) : vm));
}

test("a plan never removes an owned VM", () => {
  assert(
    property(anyPool, anyTarget, (vms, wanted) => {
      const ownedIds = vms.filter((vm) => vm.owner !== null).map(({ id }) => id);
      const removedIds = planPool(vms, wanted, NOW).flatMap((action) => (action.do === "remove" ? [action.id] : []));
      for (const id of ownedIds) expect(removedIds).not.toContain(id);
    }),
  );
});

test("a plan never takes the pool past max, even before its removals are done", () => {
  assert(
    property(anyPool, anyTarget, (vms, wanted) => {
      const plan = planPool(vms, wanted, NOW);
      const created = plan.reduce((sum, action) => sum + (action.do === "create" ? action.count : 0), 0);
      expect(created === 0 ? 0 : vms.filter(takesSlot).length + created).toBeLessThanOrEqual(wanted.max);
    }),
  );
});

test("a pool whose VMs come up converges, and is then left alone", () => {
  assert(
    property(anyPool, anyTarget, (vms, wanted) => {
      let pool: Vm[] = vms;
      let now = NOW;
      for (let round = 0; round < 30; round++) {
        pool = settle(carryOut(pool, planPool(pool, wanted, now), now, `new-${round}`));
        now += COME_UP_MS / 2;
      }
      expect(planPool(pool, wanted, now)).toEqual([]);
      const ownedCount = pool.filter((vm) => vm.owner !== null).length;
      expect(pool.filter(isWarm).length).toBe(Math.max(0, Math.min(wanted.warm, wanted.max, wanted.max - ownedCount)));
    }),
  );
});

test("the order in which VMs are seen changes nothing", () => {
  const bySaying = (a: PoolAction, b: PoolAction) => JSON.stringify(a).localeCompare(JSON.stringify(b));
  assert(
    property(anyPool, anyTarget, (vms, wanted) => {
      const seenBackwards = planPool(vms.toReversed(), wanted, NOW);
      expect(seenBackwards.toSorted(bySaying)).toEqual(planPool(vms, wanted, NOW).toSorted(bySaying));
    }),
  );
});

test("a pool whose VMs age is replaced one by one and never falls below what it keeps warm", () => {
  assert(
    property(anyAgeingTarget, (wanted) => {
      const keeps = Math.min(wanted.warm, wanted.max);
      const born = NOW;
      let pool: Vm[] = Array.from({ length: keeps }, (_, n) => warm(`old-${n}`, born));
      let now = born + wanted.freshMs + 1;
      for (let round = 0; round < 20; round++) {
        pool = settle(carryOut(pool, planPool(pool, wanted, now), now, `new-${round}`));
        expect(pool.filter((vm) => isWarm(vm)).length).toBeGreaterThanOrEqual(keeps);
        now += 1;
      }
      const isLeft = pool.some(({ id }) => id.startsWith("old-"));
      expect(isLeft).toBe(keeps > 0 && keeps === wanted.max);
    }),
  );
});
